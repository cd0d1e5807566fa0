/** What a client sends in BuildKit's protocol may be anything: it is read, or refused in our own words. */
import { expect, test } from 'bun:test';
import { isKind } from '../../src/base/errors.ts';
import { FrameReader, frameOf } from '../../src/buildkit/grpc/frames.ts';
import { SolveRequest } from '../../src/buildkit/proto/control.ts';
import { PACKET, Packet } from '../../src/buildkit/proto/files.ts';
import { BridgeSolveRequest, ReturnRequest } from '../../src/buildkit/proto/gateway.ts';
import { FileReceiver } from '../../src/buildkit/session/file-sync.ts';
import { goMode } from '../../src/buildkit/session/go-mode.ts';
import { TextFiles } from '../../src/buildkit/session/text-files.ts';
import { mutated, Random } from './random.ts';

const ROUNDS = 2000;

/** Errors of ours are an answer; anything else is a fault. */
function isRefused(error: unknown): boolean {
  return isKind(error, 'invalid', 'cancelled', 'internal');
}

const request = SolveRequest.encode({
  ref: 'r',
  session: 's',
  frontendAttrs: { filename: 'Dockerfile', 'build-arg:A': 'ü' },
  exporters: [{ type: 'moby', attrs: { name: 'a:1,b' } }],
  cache: { imports: [{ type: 'registry', attrs: { ref: 'x' } }] },
});

test('messages', () => {
  const random = new Random(41);
  for (let round = 0; round < ROUNDS; round++) {
    const bytes = mutated(random, request);
    for (const shape of [SolveRequest, BridgeSolveRequest, ReturnRequest, Packet]) {
      try {
        shape.decode(bytes);
      } catch (error) {
        if (!isRefused(error)) throw error;
      }
    }
  }
});

test('frames, in any pieces', () => {
  const random = new Random(42);
  const stream = Buffer.concat([frameOf(request), frameOf(new Uint8Array()), frameOf(Buffer.alloc(70_000))]);
  for (let round = 0; round < ROUNDS / 4; round++) {
    const bytes = mutated(random, stream);
    const whole = outcomeOf(bytes, bytes.length + 1);
    expect(outcomeOf(bytes, 1 + random.below(5000))).toEqual(whole);
  }
});

/** Lengths of the messages before the first fault; what follows it is nobody's. */
function outcomeOf(bytes: Buffer, piece: number): { first: number | undefined } {
  const reader = new FrameReader();
  const lengths: number[] = [];
  try {
    for (let at = 0; at < bytes.length; at += piece) {
      for (const message of reader.push(bytes.subarray(at, at + piece))) lengths.push(message.length);
    }
  } catch (error) {
    if (!isRefused(error)) throw error;
    return { first: undefined };
  }
  return { first: lengths.length };
}

test('packets of a file transfer: each run ends', async () => {
  const random = new Random(43);
  const packets = [
    { type: PACKET.stat, stat: { path: 'd', mode: goMode(0o040755) } },
    {
      type: PACKET.stat,
      stat: { path: 'd/f', mode: 0o644, size: 5, modTime: 12n, xattrs: { a: Buffer.from('b') } },
    },
    { type: PACKET.stat, stat: { path: 'd/g', mode: 0o644, linkname: 'd/f' } },
    { type: PACKET.stat, stat: { path: 'l', mode: goMode(0o120777), linkname: 'd' } },
    { type: PACKET.stat },
    { type: PACKET.data, id: 1, data: Buffer.from('hello') },
    { type: PACKET.data, id: 1 },
    { type: PACKET.data, id: 2, data: Buffer.from('hello') },
    { type: PACKET.data, id: 2 },
    { type: PACKET.finish },
  ].map((packet) => Packet.encode(packet));
  const good = new TextFiles();
  await new FileReceiver(
    async () => {},
    good,
    () => {},
  ).run(inTurn(packets));
  expect(good.read('l/f') ?? good.read('d/f')).toBe('hello');
  for (let round = 0; round < ROUNDS; round++) {
    const heap = packets.map((packet) => (random.chance(0.3) ? mutated(random, packet) : packet));
    if (random.chance(0.3)) heap.splice(random.below(heap.length), 1);
    if (random.chance(0.3)) heap.push(random.pick(heap));
    if (random.chance(0.2)) heap.sort(() => random.next() - 0.5);
    const files = new TextFiles();
    try {
      await new FileReceiver(
        async () => {},
        files,
        () => {},
      ).run(inTurn(heap));
      for (const path of ['d/f', 'l', 'd', '..', '/etc/passwd']) files.read(path);
    } catch (error) {
      if (!isRefused(error)) throw error;
    }
  }
}, 60_000);

async function* inTurn(packets: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* packets;
}
