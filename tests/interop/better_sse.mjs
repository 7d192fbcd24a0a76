// A better-sse server for our client: two events of a session, one of a channel; then it says so and ends.
import { createServer } from 'node:http'
import { createChannel, createSession } from 'better-sse'

const server = createServer(async (request, response) => {
  const session = await createSession(request, response, { retry: 30, keepAlive: 50 })
  session.push({ hello: 'ada', after: session.lastId }, 'welcome', '1')
  session.push('plain')
  const channel = createChannel().register(session)
  channel.broadcast([1, 'two\nlines'], 'news', { eventId: '3' })
  setTimeout(() => session.push(null, 'over', '4'), 200)
})
server.listen(0, '127.0.0.1', () => console.log(server.address().port))
