import { describe, expect, test } from 'bun:test';
import { socketPair } from '../../../test/support/buildkit/peers.ts';
import { TareError } from '../../base/errors.ts';
import { blob, field, message, text } from '../proto/message.ts';
import { GrpcChannel } from './channel.ts';
import { CODES, GrpcError } from './grpc-error.ts';
import { GrpcServer, type Methods, streaming, unary } from './server.ts';

const Text = message({ text: field(1, text), data: field(2, blob) });
const forever = new AbortController().signal;

async function connected(methods: Methods) {
  const [ours, theirs] = await socketPair();
  const failures: string[] = [];
  new GrpcServer(methods, (path) => failures.push(path)).accept(theirs);
  const channel = new GrpcChannel(ours);
  return {
    channel,
    failures,
    [Symbol.dispose]() {
      channel.close();
      ours.destroy();
      theirs.destroy();
    },
  };
}

describe('calls over a connection', () => {
  test('one message there, one back, several at once', async () => {
    using peer = await connected({ '/t/echo': unary(Text, Text, ({ text }) => ({ text: `${text}!` })) });
    const ask = (text: string) => peer.channel.unary('/t/echo', Text, Text, { text }, forever);
    const answers = await Promise.all(['a', 'b', 'ü'].map(ask));
    expect(answers.map((answer) => answer.text)).toEqual(['a!', 'b!', 'ü!']);
  });

  test('large messages in both directions', async () => {
    using peer = await connected({ '/t/echo': unary(Text, Text, ({ data }) => ({ data })) });
    const data = new Uint8Array(6_000_000).fill(7);
    const answer = await peer.channel.unary('/t/echo', Text, Text, { data }, forever);
    expect(Buffer.compare(answer.data, data)).toBe(0);
  });

  test('a stream of answers, the client reads slowly', async () => {
    using peer = await connected({
      '/t/count': streaming(Text, Text, async (_, send) => {
        for (let n = 0; n < 200; n++) await send({ text: String(n), data: new Uint8Array(50_000) });
      }),
    });
    const call = peer.channel.call('/t/count', {}, forever);
    await call.send(Text.encode({}));
    call.end();
    let next = 0;
    for await (const bytes of call.messages) {
      expect(Text.decode(bytes).text).toBe(String(next++));
      if (next % 50 === 0) await Bun.sleep(20);
    }
    expect(next).toBe(200);
  });

  test.each([
    [new TareError('not-found', 'no such thing: ü 100%\n2nd line'), CODES.notFound],
    [new GrpcError(CODES.denied, 'no'), CODES.denied],
    [new Error('fault'), CODES.unknown],
  ])('error %# arrives with its code and words', async (thrown, code) => {
    using peer = await connected({
      '/t/fail': unary(Text, Text, () => {
        throw thrown;
      }),
    });
    const error = await peer.channel
      .unary('/t/fail', Text, Text, {}, forever)
      .catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(GrpcError);
    expect(error).toMatchObject({ code, message: thrown.message });
    expect(peer.failures).toEqual(['/t/fail']);
  });

  test('an unknown method', async () => {
    using peer = await connected({});
    const error = await peer.channel
      .unary('/t/none', Text, Text, {}, forever)
      .catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: CODES.unimplemented, message: 'unknown method /t/none' });
  });

  test('a call that is given up is aborted at the other side', async () => {
    const aborted = Promise.withResolvers<void>();
    using peer = await connected({
      '/t/wait': unary(Text, Text, async (_, call) => {
        await new Promise<void>((resolve) => call.signal.addEventListener('abort', () => resolve()));
        aborted.resolve();
        return {};
      }),
    });
    const stop = new AbortController();
    const asked = peer.channel.unary('/t/wait', Text, Text, {}, stop.signal).catch((error: unknown) => error);
    await Bun.sleep(50);
    stop.abort();
    expect(await asked).toBeInstanceOf(Error);
    await aborted.promise;
  });

  test('the end of the connection ends the calls', async () => {
    using peer = await connected({ '/t/wait': unary(Text, Text, () => new Promise(() => {})) });
    const asked = peer.channel.unary('/t/wait', Text, Text, {}, forever).catch((error: unknown) => error);
    await Bun.sleep(50);
    peer.channel.close();
    expect(await asked).toBeInstanceOf(TareError);
  });
});
