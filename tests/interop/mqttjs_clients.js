// Clients of the npm package mqtt against the broker on the port that is given. Prints a line for each thing that works;
// exit status 0 if all do.
const mqtt = require('mqtt')

const url = `mqtt://127.0.0.1:${process.argv[2]}`
const versions = { '5': 5, '3.1.1': 4 }

const check = (condition, what) => {
  if (!condition) throw new Error(what)
  console.log(what)
}

const connect = (version, options = {}) =>
  mqtt.connectAsync(url, { protocolVersion: versions[version], reconnectPeriod: 0, ...options })

// The next `count` messages, as texts.
const messages = (client, count) => new Promise((resolve) => {
  const got = []
  client.on('message', (topic, payload, packet) => {
    got.push(`${topic} ${packet.qos} ${packet.retain ? 1 : 0} ${payload}`)
    if (got.length === count) resolve(got.join(', '))
  })
})

const everyQos = async (version) => {
  const client = await connect(version)
  for (const qos of [0, 1, 2]) {
    const granted = await client.subscribeAsync(`t/${qos}`, { qos })
    check(granted[0].qos === qos, `${version}: QoS ${qos} is granted`)
    const got = messages(client, 1)
    await client.publishAsync(`t/${qos}`, 'hello', { qos })
    check(await got === `t/${qos} ${qos} 0 hello`, `${version}: QoS ${qos} passes`)
    client.removeAllListeners('message')
  }
  await client.unsubscribeAsync('t/0')
  await client.endAsync()
}

const retained = async (version) => {
  const client = await connect(version)
  await client.publishAsync(`kept/${version}`, 'value', { qos: 1, retain: true })
  const got = messages(client, 1)
  await client.subscribeAsync(`kept/${version}/#`, { qos: 1 })
  check(await got === `kept/${version} 1 1 value`, `${version}: a retained message waits`)
  await client.endAsync()
}

const will = async (version) => {
  const watcher = await connect(version)
  await watcher.subscribeAsync(`gone/${version}`, { qos: 1 })
  const got = messages(watcher, 1)
  const dying = await connect(version, { will: { topic: `gone/${version}`, payload: 'died', qos: 1 } })
  dying.on('error', () => {})
  dying.stream.destroy()
  check(await got === `gone/${version} 1 0 died`, `${version}: a will is published`)
  await dying.endAsync(true)
  await watcher.endAsync()
}

const session = async (version) => {
  const options = { clientId: `sleeper-${version}`, clean: false }
  if (version === '5') options.properties = { sessionExpiryInterval: 3600 }
  const first = await connect(version, options)
  await first.subscribeAsync(`away/${version}`, { qos: 2 })
  await first.endAsync()
  const sender = await connect(version)
  for (const qos of [1, 2]) await sender.publishAsync(`away/${version}`, `${qos}`, { qos })
  await sender.endAsync()

  const second = mqtt.connect(url, { protocolVersion: versions[version], reconnectPeriod: 0, ...options })
  const got = messages(second, 2)
  const connack = await new Promise((resolve) => second.on('connect', resolve))
  check(connack.sessionPresent, `${version}: the session is resumed`)
  const topic = `away/${version}`
  check(await got === `${topic} 1 0 1, ${topic} 2 0 2`, `${version}: what came meanwhile is delivered`)
  await second.endAsync()
}

const properties = async () => {
  const client = await connect('5', { properties: { topicAliasMaximum: 10 } })
  await client.subscribeAsync('properties', { qos: 1, properties: { subscriptionIdentifier: 7 } })
  const got = new Promise((resolve) => client.on('message', (topic, payload, packet) => resolve(packet.properties)))
  const sent = {
    payloadFormatIndicator: true,
    contentType: 'text/plain',
    responseTopic: 'to/me',
    correlationData: Buffer.from([0, 255, 7]),
    userProperties: { a: ['1', '2'], b: 'x' }
  }
  await client.publishAsync('properties', 'hello', { qos: 1, properties: sent })
  const back = await got
  check(back.contentType === 'text/plain' && back.responseTopic === 'to/me' && back.subscriptionIdentifier === 7 &&
    back.correlationData.equals(sent.correlationData) && JSON.stringify(back.userProperties.a) === '["1","2"]',
  '5: properties pass')
  await client.endAsync()
}

const run = async () => {
  for (const version of Object.keys(versions)) {
    for (const one of [everyQos, retained, will, session]) await one(version)
  }
  await properties()
}

run().then(() => process.exit(0), (error) => {
  console.error(error)
  process.exit(1)
})
