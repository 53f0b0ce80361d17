import { Type } from 'typebox'
import { JoinSystem, SystemEvents, SystemPushes, SystemReplies } from '../../../schemas/events/system.ts'
import { SYSTEM_TOPIC } from '../../../topics.ts'
import { describeEvents, describeJoin, describePushes, type TopicDescription } from '../description.ts'
import { ANN, BOB, CONVERSATION, PRIVATE_KEY, PUBLIC_KEY } from '../samples.ts'

const keys = { public_key: PUBLIC_KEY, private_key: PRIVATE_KEY }
const connection = { online_at: '1767225600', phx_ref: 'mYc1Qe3x.1a' }

/** Describes `system:general`. */
export function describeSystemTopic(): TopicDescription {
  return {
    key: 'system',
    address: SYSTEM_TOPIC,
    exampleTopic: SYSTEM_TOPIC,
    title: 'Presence, settings, and starting conversations',
    description:
      'Everyone may join. After the reply to the join comes `presence_state`, then a `presence_diff` whenever users come or go.',
    parameters: {},
    server: 'socket',
    token: 'required',
    join: describeJoin(JoinSystem, Type.Object({}), {
      summary: 'Shows the user as online, unless the user is hidden.',
      examples: [{ hidden: false }],
      replies: [{}],
      reasons: { 'Invalid Token': 'The token is missing, expired, or that of another user.' },
    }),
    pushes: describePushes(SystemPushes, SystemReplies, {
      set_hidden: {
        summary: 'Hides or shows the user on all connections. The setting is saved.',
        examples: [{ hidden: true }],
        replies: ['message_sent'],
      },
      set_display_name: {
        summary: 'Changes the display name: 3 to 20 visible characters of one script.',
        examples: [{ display_name: 'Ann' }],
        replies: ['message_sent'],
        rules: ['name_unchanged'],
      },
      start_group_conversation: {
        summary:
          'Starts a group. The response is its id; every member receives `new_conversation`. Keys may be absent if the account has a key set.',
        examples: [{ user_ids: [BOB], alias: 'Weekend', ...keys }],
        replies: [CONVERSATION],
        rules: ['users_not_found', 'too_many_members', 'email_unconfirmed', 'not_allowed_to_add'],
      },
      start_private_conversation: {
        summary:
          'Starts a conversation of two. The response is its id; both receive `new_conversation`. Keys may be absent if the account has a key set.',
        examples: [{ other_user_id: BOB, ...keys }, { other_user_id: BOB }],
        replies: [CONVERSATION],
        rules: [
          'users_not_found',
          'incorrect_num_users',
          'conversation_already_exists',
          'email_unconfirmed',
          'not_allowed_to_add',
        ],
      },
    }),
    events: describeEvents(SystemEvents, {
      presence_state: {
        summary: 'Who is online, right after the join.',
        examples: [{ [ANN]: { metas: [connection] } }],
        kind: 'push',
      },
      presence_diff: {
        summary: 'Connections that came and went. A user is online while there is at least one.',
        examples: [{ joins: { [BOB]: { metas: [{ ...connection, phx_ref: 'mYc1Qe3x.1b' }] } }, leaves: {} }],
      },
      update_display_name: {
        summary: 'A user has another display name.',
        examples: [{ user_id: ANN, display_name: 'Ann' }],
      },
    }),
  }
}
