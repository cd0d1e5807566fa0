import { createHash } from 'node:crypto';
import { encodeTarHeader, type TarMember, tarEnd, tarPadding } from '../../../src/archive/tar-writer.ts';

/** A member with its contents. */
export type TestMember = TarMember & { readonly content?: string | Uint8Array };

/** A tar in memory. */
export function tarOf(...members: TestMember[]): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const member of members) {
    const content = Buffer.from(member.content ?? '');
    parts.push(
      encodeTarHeader({ ...member, size: content.byteLength }),
      content,
      tarPadding(content.byteLength),
    );
  }
  return Buffer.concat([...parts, tarEnd()]);
}

export function streamOfBytes(bytes: Uint8Array, piece = 64 * 1024): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream<Uint8Array>({
    pull(controller): void {
      if (at >= bytes.byteLength) controller.close();
      else controller.enqueue(bytes.slice(at, at + piece));
      at += piece;
    },
  });
}

export const digestOf = (bytes: Uint8Array): string =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

export const dir = (name: string, more: Partial<TestMember> = {}): TestMember => ({
  type: 'directory',
  name,
  mode: 0o755,
  ...more,
});
export const file = (
  name: string,
  content: string | Uint8Array = name,
  more: Partial<TestMember> = {},
): TestMember => ({
  type: 'file',
  name,
  content,
  ...more,
});

export async function bytesOf(stream: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
