// Talks with mqttjs_partner over the broker on the port that is given. Prints a line for each thing that works; exit status 0 if
// all do.
const mqtt = require('mqtt')

const url = `mqtt://127.0.0.1:${process.argv[2]}`

const check = (condition, what, got) => {
  if (!condition) throw new Error(`${what}: ${JSON.stringify(got)}`)
  console.log(what)
}

const waiting = new Map()
const arrival = (topic) => new Promise((resolve) => waiting.set(topic, resolve))

const everyProperty = () => ({
  payloadFormatIndicator: true,
  messageExpiryInterval: 1000,
  contentType: 'text/\u00e4',
  responseTopic: 'to/me',
  correlationData: Buffer.from([0, 255, 128, 32, 55]),
  userProperties: { b: ['1', '2', '1'], a: '\u6e29', '': '' }
})

const payload = Buffer.from([0, 255, 10, 1])

const isTheSame = (sent, got) =>
  got.payload.equals(payload) && got.properties.payloadFormatIndicator === true &&
  got.properties.messageExpiryInterval > 900 && got.properties.messageExpiryInterval <= 1000 &&
  got.properties.contentType === sent.contentType && got.properties.responseTopic === sent.responseTopic &&
  got.properties.correlationData.equals(sent.correlationData) &&
  JSON.stringify(got.properties.userProperties) === JSON.stringify(sent.userProperties)

const run = async () => {
  const client = await mqtt.connectAsync(url, { protocolVersion: 5, reconnectPeriod: 0 })
  client.on('message', (topic, content, packet) => {
    if (waiting.has(topic)) waiting.get(topic)(packet)
  })
  await client.subscribeAsync('answer/#', { qos: 2, properties: { subscriptionIdentifier: 268435455 } })
  await client.subscribeAsync({ 'answers/js': { qos: 1 }, 'requests/js': { qos: 1 } })

  for (const qos of [0, 1, 2]) {
    const answer = arrival(`answer/${qos}`)
    const properties = everyProperty()
    await client.publishAsync(`ask/${qos}`, payload, { qos, properties })
    const got = await answer
    check(isTheSame(properties, got) && got.qos === qos, `QoS ${qos}: all properties come back`, got)
    check(got.properties.subscriptionIdentifier === 268435455, `QoS ${qos}: with the subscription identifier`, got)
  }

  const properties = everyProperty()
  await client.publishAsync('kept/js', payload, { qos: 1, retain: true, properties })
  const retained = arrival('kept/js')
  await client.subscribeAsync('kept/js', { qos: 1 })
  const got = await retained
  check(got.retain && isTheSame(properties, got), 'a retained message keeps all properties', got)
  await client.publishAsync('command', 'kept/js', { qos: 1 })

  const answered = arrival('answers/js')
  await client.publishAsync('requests/ours', 'question', {
    qos: 1, properties: { responseTopic: 'answers/js', correlationData: Buffer.from([0, 1]) }
  })
  const response = await answered
  check(String(response.payload) === 'question!' && response.properties.correlationData.equals(Buffer.from([0, 1])),
    'a request is answered', response)

  const asked = arrival('requests/js')
  await client.publishAsync('command', 'request', { qos: 1 })
  const request = await asked
  await client.publishAsync(request.properties.responseTopic, `${request.payload}!`, {
    qos: 1, properties: { correlationData: request.properties.correlationData }
  })
  check(String(request.payload) === 'question of ours', 'a request comes', request)
  await client.endAsync()
}

run().then(() => process.exit(0), (error) => {
  console.error(error)
  process.exit(1)
})
