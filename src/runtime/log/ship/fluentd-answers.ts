import type { AnswerReader } from './stream-destination.ts';

/**
 * Counts fluentd's answers: `{"ack": CHUNK}` as MessagePack, one for each message that named its chunk. Messages are
 * answered in order, so that their number says which.
 */
export function fluentdAnswers(): AnswerReader {
  let rest = Buffer.alloc(0);
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    let count = 0;
    for (let size = answerSize(rest); size > 0 && size <= rest.length; size = answerSize(rest)) {
      rest = rest.subarray(size);
      count++;
    }
    return count;
  };
}

/** Bytes of the answer at the front, 0 while that is not known: a map of one pair, `ack` and a string. */
function answerSize(bytes: Buffer): number {
  const key = 5;
  const kind = bytes[key];
  if (kind === undefined) return 0;
  if (kind < 0xc0) return key + 1 + (kind & 0x1f);
  const length = bytes[key + 1];
  return length === undefined ? 0 : key + 2 + length;
}
