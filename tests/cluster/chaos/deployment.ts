import { KEYS } from '../../support/conversations.ts'
import { Cluster } from '../harness/cluster.ts'
import type { Node } from '../harness/node.ts'
import { TcpProxy } from '../harness/tcp-proxy.ts'
import { Api } from './api.ts'
import { Device } from './device.ts'
import type { Journal } from './journal.ts'
import { Person } from './person.ts'
import type { Population } from './population.ts'
import { Random } from './random.ts'
import { register, Session } from './session.ts'

export interface DeploymentOptions {
  seed: number
  nodes: number
  population: Population
  journal: Journal
}

/** A cluster with users, conversations and rooms. */
export interface Deployment {
  cluster: Cluster
  api: Api
  people: Person[]
  devices: Device[]
  /** The ids of the population's conversations and rooms. */
  conversations: string[]
  rooms: string[]
  dispose(): Promise<void>
}

/** Starts a cluster, and creates the users, conversations and rooms of the population. */
export async function startDeployment({
  seed,
  nodes,
  population,
  journal,
}: DeploymentOptions): Promise<Deployment> {
  // A single node needs no Redis.
  const cluster = await Cluster.start({ nodes, ...(nodes === 1 && { env: { REDIS_URL: undefined } }) })
  const random = new Random(seed)
  const api = new Api(cluster.nodes, new Random(seed + 1))
  const ids: string[] = []
  for (let n = 0; n < population.people; n++) ids.push(await register(api, email(n)))
  const rooms = await makeRooms(api, ids, population)
  const people: Person[] = []
  for (const [n, id] of ids.entries()) {
    const own = rooms.filter((_, room) => population.rooms[room]?.includes(n))
    const devices: Device[] = []
    for (let d = 0; d < population.devicesPerUser; d++) {
      const { proxy, nodeName } = await openLoadBalancer(
        cluster.nodes,
        new Random(random.between(0, 2 ** 31)),
      )
      const session = await Session.start(api, email(n))
      const name = `${nameOf(n)}'s device ${d + 1}`
      const usesPolling = population.pollingUsers.includes(n) && d === population.devicesPerUser - 1
      devices.push(
        new Device({ name, userId: id, session, proxy, api, journal, rooms: own, usesPolling, nodeName }),
      )
    }
    people.push(new Person(nameOf(n), id, { devices, random: new Random(random.between(0, 2 ** 31)) }))
  }
  const conversations: string[] = []
  for (const members of population.conversations) conversations.push(await startConversation(people, members))
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
      await Promise.all(devices.map((device) => device.proxy.close()))
      await cluster.dispose()
    },
  }
}

/** Opens a proxy that connects to any running node, as a load balancer does. */
async function openLoadBalancer(
  nodes: readonly Node[],
  random: Random,
): Promise<{ proxy: TcpProxy; nodeName: () => string }> {
  const proxy = await TcpProxy.open(() => {
    const running = nodes.filter((node) => node.isRunning)
    return random.pick(running.length ? running : nodes).port
  })
  const nodeName = () => {
    const port = proxy.targetPorts.at(-1)
    return nodes.find((node) => node.port === port)?.name ?? 'no node'
  }
  return { proxy, nodeName }
}

async function makeRooms(api: Api, ids: string[], population: Population): Promise<string[]> {
  const rooms: string[] = []
  for (const [n, members] of population.rooms.entries()) {
    const [creator = 0] = members
    const session = await Session.start(api, email(creator))
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
  const answer = await creator.request(
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
