import { createHash } from 'node:crypto';
import { type Definition, Operation } from '../proto/llb.ts';
import type { ValueOf } from '../proto/message.ts';

type Graph = Partial<ValueOf<typeof Definition>>;

/** How an image of ours is called in a definition. */
const SCHEME = 'tare-image://';

/**
 * An image as a graph with one source, for clients that make the result of one build a context of the next: bake's
 * `target:`, compose's `service:`. They carry it unread.
 */
export function definitionOf(imageId: string): Graph {
  const source = Operation.encode({ source: { identifier: `${SCHEME}${imageId}`, attrs: {} } });
  const digest = digestOf(source);
  const end = Operation.encode({ inputs: [{ digest, index: 0 }] });
  return { def: [source, end], metadata: { [digest]: {}, [digestOf(end)]: {} } };
}

/** The image that such a graph is about; undefined for any other. */
export function imageOf({ def = [] }: Graph): string | undefined {
  for (const bytes of def) {
    const identifier = Operation.decode(bytes).source?.identifier ?? '';
    if (identifier.startsWith(SCHEME)) return identifier.slice(SCHEME.length);
  }
  return undefined;
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
