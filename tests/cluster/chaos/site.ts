import { KEYS } from '../../support/talks.ts'
import { Cluster } from '../rig/cluster.ts'
import { Link } from '../rig/link.ts'
import type { Node } from '../rig/node.ts'
import { Api } from './api.ts'
import type { Cast } from './cast.ts'
import { Device } from './device.ts'
import type { Journal } from './journal.ts'
import { Person } from './person.ts'
import { Random } from './random.ts'
import { register, Session } from './session.ts'

export interface SiteOptions {
  seed: number
  nodes: number
  cast: Cast
  journal: Journal
}

/** A cluster with people on it, who are in conversations and rooms. */
export interface Site {
  cluster: Cluster
  api: Api
  people: Person[]
  devices: Device[]
  /** The ids of the cast's conversations and rooms. */
  conversations: string[]
  rooms: string[]
  dispose(): Promise<void>
}

/** Starts a cluster and brings everybody to their places. */
export async function openSite({ seed, nodes, cast, journal }: SiteOptions): Promise<Site> {
  // One by itself needs no Redis.
  const cluster = await Cluster.start({ nodes, ...(nodes === 1 && { env: { REDIS_URL: undefined } }) })
  const random = new Random(seed)
  const api = new Api(cluster.nodes, new Random(seed + 1))
  const ids: string[] = []
  for (let n = 0; n < cast.people; n++) ids.push(await register(api, email(n)))
  const rooms = await makeRooms(api, ids, cast)
  const people: Person[] = []
  for (const [n, id] of ids.entries()) {
    const own = rooms.filter((_, room) => cast.rooms[room]?.includes(n))
    const devices: Device[] = []
    for (let d = 0; d < cast.devicesEach; d++) {
      const { link, where } = await openDoor(cluster.nodes, new Random(random.between(0, 2 ** 31)))
      const session = await Session.begin(api, email(n))
      const name = `${nameOf(n)}'s device ${d + 1}`
      const polls = cast.pollers.includes(n) && d === cast.devicesEach - 1
      devices.push(new Device({ name, userId: id, session, link, api, journal, rooms: own, polls, where }))
    }
    people.push(new Person(nameOf(n), id, { devices, random: new Random(random.between(0, 2 ** 31)) }))
  }
  const conversations: string[] = []
  for (const members of cast.conversations) conversations.push(await startConversation(people, members))
  const devices = people.flatMap((person) => person.devices)
  return {
    cluster,
    api,
    people,
    devices,
    conversations,
    rooms,
    async dispose() {
      for (const device of devices) device.stop()
      await Promise.all(devices.map((device) => device.link.close()))
      await cluster.dispose()
    },
  }
}

/** A way in that leads to any node that runs, as a load balancer does. */
async function openDoor(
  nodes: readonly Node[],
  random: Random,
): Promise<{ link: Link; where: () => string }> {
  const link = await Link.open(() => {
    const running = nodes.filter((node) => node.isRunning)
    return random.pick(running.length ? running : nodes).port
  })
  const where = () => {
    const port = link.targets.at(-1)
    return nodes.find((node) => node.port === port)?.name ?? 'no node'
  }
  return { link, where }
}

async function makeRooms(api: Api, ids: string[], cast: Cast): Promise<string[]> {
  const rooms: string[] = []
  for (const [n, members] of cast.rooms.entries()) {
    const [creator = 0] = members
    const session = await Session.begin(api, email(creator))
    const { body } = await api.call('POST', '/api/v1/chat/room-list/', {
      token: session.token,
      body: { room_name: `Room ${n + 1}`, user_ids: members.map((member) => ids[member]) },
    })
    rooms.push(body.id)
  }
  return rooms
}

async function startConversation(people: Person[], members: number[]): Promise<string> {
  const [creator, ...others] = members.map((member) => people[member] as Person) as [Person, ...Person[]]
  const [other] = others as [Person]
  const isPrivate = others.length === 1
  const answer = await creator.ask(
    'system:general',
    isPrivate ? 'start_private_conversation' : 'start_group_conversation',
    () => ({
      ...(isPrivate ? { other_user_id: other.id } : { user_ids: others.map(({ id }) => id) }),
      ...KEYS,
    }),
  )
  if (answer?.status !== 'ok') throw new Error(`A conversation was not started: ${JSON.stringify(answer)}`)
  return answer.response
}

function nameOf(person: number): string {
  return (
    ['Ann', 'Bob', 'Cid', 'Dot', 'Eva', 'Fay', 'Gus', 'Hal', 'Ida', 'Jim'][person] ?? `Person ${person + 1}`
  )
}

function email(person: number): string {
  return `person${person}@example.com`
}
