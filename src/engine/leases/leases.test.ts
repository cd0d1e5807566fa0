import { describe, expect, test } from 'bun:test';
import { Leases } from './leases.ts';

function setup(): { leases: Leases; collections: () => number } {
  let count = 0;
  const leases = new Leases(async () => {
    count += 1;
  });
  return { leases, collections: () => count };
}

const streamOf = (...chunks: string[]): ReadableStream<Uint8Array> =>
  new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(Buffer.from(chunk));
      controller.close();
    },
  });

describe('Leases', () => {
  test('hold what they were told to, until they end', async () => {
    const { leases, collections } = setup();
    await leases.hold(async (lease) => {
      expect(leases.holds('a')).toBe(false);
      lease.hold('a', 'b');
      expect(leases.holds('b')).toBe(true);
      expect(leases.holds('c')).toBe(false);
    });
    expect(leases.holds('b')).toBe(false);
    // Somebody wanted `b` meanwhile.
    expect(collections()).toBe(1);
  });

  test('a lease that made its row, and that nobody asked about, collects nothing at its end', async () => {
    const { leases, collections } = setup();
    await leases.hold(async (lease) => lease.hold('a'));
    expect(collections()).toBe(0);
  });

  test('what failed is collected, but what can be resumed only when somebody wanted it', async () => {
    const { leases, collections } = setup();
    const failing = async (lease: { hold(digest: string): void }): Promise<void> => {
      lease.hold('a');
      throw new Error('broken');
    };
    await expect(leases.hold(failing)).rejects.toThrow('broken');
    expect(collections()).toBe(1);
    await expect(leases.hold(failing, { resumable: true })).rejects.toThrow('broken');
    expect(collections()).toBe(1);
    const wanted = leases.hold(
      async (lease) => {
        lease.hold('a');
        leases.holds('a');
        throw new Error('broken');
      },
      { resumable: true },
    );
    await expect(wanted).rejects.toThrow('broken');
    expect(collections()).toBe(2);
  });

  test('of two leases on one thing, the last one to end collects', async () => {
    const { leases, collections } = setup();
    const first = Promise.withResolvers<void>();
    const second = Promise.withResolvers<void>();
    const one = leases.hold((lease) => {
      lease.hold('a');
      return first.promise;
    });
    const two = leases.hold((lease) => {
      lease.hold('a');
      return second.promise;
    });
    expect(leases.holds('a')).toBe(true);
    first.resolve();
    await one;
    expect(leases.holds('a')).toBe(true);
    second.resolve();
    await two;
    expect(leases.holds('a')).toBe(false);
    expect(collections()).toBe(2);
  });

  test('a stream holds until it has ended or was cancelled', async () => {
    const { leases } = setup();
    const open = (): Promise<ReadableStream<Uint8Array>> =>
      leases.holdWhile(async (lease) => {
        lease.hold('a');
        return streamOf('x', 'y');
      });
    const whole = await open();
    expect(leases.holds('a')).toBe(true);
    expect(await new Response(whole).text()).toBe('xy');
    expect(leases.holds('a')).toBe(false);
    const cut = await open();
    await cut.cancel();
    expect(leases.holds('a')).toBe(false);
    const failing = leases.holdWhile(async (lease) => {
      lease.hold('a');
      throw new Error('broken');
    });
    await expect(failing).rejects.toThrow('broken');
    expect(leases.holds('a')).toBe(false);
  });
});
