import type { Problem } from './conversations/codec.ts'

const SENTENCES: Record<string, string> = {
  too_large: 'The message is larger than the format allows.',
  malformed_copy: 'The copy of the message was damaged or altered.',
  undecryptable_copy: 'The copy of the message was not encrypted for your keys, or was altered.',
  shared_missing: 'The server did not deliver the encrypted message.',
  shared_altered: 'The encrypted message was altered.',
  malformed_message: 'The message does not follow the format.',
  unknown_key: 'The message is signed with a key that is not one of its sender.',
  replaced_key:
    'The message is signed with a key that its sender had replaced: by a device that did not know yet, or a thief of the key.',
  bad_signature: 'The signature of the message is wrong.',
  wrong_sender: 'Someone else wrote the message than the server says.',
  wrong_conversation: 'The message was written in another conversation.',
  stale: 'The server delivered an older version of a message that was edited since.',
  conflict: 'There are two different messages with the same id and revision.',
  wrong_group: 'The server delivered a message a second time.',
  not_an_edit: 'The edit does not belong to the message that it replaces.',
  reordered: 'The message was delivered at another place than its sender gave it.',
  repeated: 'The server delivered a message a second time.',
  rolled_back:
    'The sender wrote two different messages for the same place: a device was restored from an old state, or copied.',
  broken: 'The sender saw another message before this one.',
  different_keys: 'The sender sees other members, or other keys of them, than you do.',
  not_signed: 'The message is not signed, although its sender has keys to sign with.',
  keys_changed: 'This member has new keys, signed by the old ones.',
  keys_reset: 'This member has new keys that the old ones did not sign. Compare them.',
  keys_rejected:
    'The server presented keys of this member that contradict the known ones, which stay in use.',
  deletion_not_signed:
    'The server deleted a message that its sender had signed, and nobody signed the deletion.',
  member_added: 'A member was added, who reads all messages from now on.',
  wrong_members: 'The server added someone to a private conversation. Nothing is sent to it.',
  own_keys_reset:
    'Your keys were replaced, and not by this device. If it was not you, someone has taken over your account.',
  contacts_rolled_back:
    'The server has an older list of compared contacts than before. The known one stays in use.',
  contacts_unreadable: 'The list of compared contacts on the server cannot be read.',
}

/** Says in English what a problem means. */
export function describeProblem({ code, count }: Problem): string {
  if (code !== 'missing') return SENTENCES[code] ?? `Something went wrong: ${code}.`
  const what = count === 1 ? 'One message' : `${count} messages`
  return `${what} of the same sender before this one ${count === 1 ? 'is' : 'are'} missing.`
}
