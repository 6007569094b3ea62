// A broker on a port that the system chooses, which it prints. User jane has the password secret; who gives none
// is let in too. With the argument ws it speaks WebSocket, with wss CERTIFICATE KEY secure WebSocket.
const { Aedes } = require('aedes')
const net = require('net')
const fs = require('fs')

const [kind, certificate, key] = process.argv.slice(2)

const listener = (handle) => {
  if (!kind) return net.createServer(handle)
  const { WebSocketServer, createWebSocketStream } = require('ws')
  const server = kind === 'ws'
    ? require('http').createServer()
    : require('https').createServer({ cert: fs.readFileSync(certificate), key: fs.readFileSync(key) })
  new WebSocketServer({ server, path: '/mqtt', maxPayload: 4 << 20 }).on('connection', (socket, request) =>
    handle(createWebSocketStream(socket), request))
  return server
}

const authenticate = (client, user, password, done) => {
  if (!user || (user === 'jane' && String(password) === 'secret')) return done(null, true)
  const error = new Error('bad user name or password')
  error.returnCode = 4
  done(error, false)
}

const start = (broker) => {
  broker.authenticate = authenticate
  const server = listener(broker.handle)
  server.listen(0, '127.0.0.1', () => console.log(`port ${server.address().port}`))
}

if (Aedes && Aedes.createBroker) Aedes.createBroker().then(start)
else start(require('aedes')())
