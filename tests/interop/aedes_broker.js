// A broker on a port that the system chooses, which it prints. User jane has the password secret; who gives none
// is let in too.
const { Aedes } = require('aedes')
const net = require('net')

const authenticate = (client, user, password, done) => {
  if (!user || (user === 'jane' && String(password) === 'secret')) return done(null, true)
  const error = new Error('bad user name or password')
  error.returnCode = 4
  done(error, false)
}

const start = (broker) => {
  broker.authenticate = authenticate
  const server = net.createServer(broker.handle)
  server.listen(0, '127.0.0.1', () => console.log(`port ${server.address().port}`))
}

if (Aedes && Aedes.createBroker) Aedes.createBroker().then(start)
else start(require('aedes')())
