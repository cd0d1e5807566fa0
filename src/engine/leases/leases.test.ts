import { describe, expect, test } from 'bun:test';
import { TareError } from '../../base/errors.ts';
import { Leases, type UnfinishedRows } from './leases.ts';

/** Rows in memory, with the times they were stored at. */
function rowsOf(rows: Map<string, number>): UnfinishedRows {
  return {
    add: (digest, storedAt) => void rows.set(digest, storedAt),
    remove: (digests) => {
      for (const digest of digests) rows.delete(digest);
    },
    expire: (before) => {
      for (const [digest, storedAt] of rows) if (storedAt < before) rows.delete(digest);
    },
    all: () => [...rows.keys()],
  };
}

function setup(rows = new Map<string, number>()): { leases: Leases; collections: () => number } {
  let count = 0;
  const leases = new Leases(rowsOf(rows), async () => {
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

  test('what a resumable operation stored is kept over its failure and the next start, for a day', async () => {
    const rows = new Map<string, number>();
    const { leases } = setup(rows);
    const failing = leases.hold(
      async (lease) => {
        lease.hold('found');
        lease.stored('stored');
        throw new Error('cut');
      },
      { resumable: true },
    );
    await expect(failing).rejects.toThrow('cut');
    for (const some of [leases, setup(rows).leases]) {
      expect(some.holds('stored')).toBe(true);
      expect(some.holdsLayer('stored')).toBe(true);
      expect(some.isKept('stored')).toBe(true);
      expect(some.holds('found')).toBe(false);
    }
    rows.set('stored', Date.now() - 25 * 3600 * 1000);
    expect(setup(rows).leases.holds('stored')).toBe(false);
  });

  test('it is kept until the next try succeeds, or somebody prunes, or the disk is full', async () => {
    const rows = new Map<string, number>();
    const { leases } = setup(rows);
    const attempt = (failure?: Error): Promise<void> =>
      leases.hold(
        async (lease) => {
          lease.stored('a');
          if (failure) throw failure;
        },
        { resumable: true },
      );
    const left = async (failure?: Error): Promise<boolean> => {
      await attempt(failure).catch(() => {});
      return leases.isKept('a');
    };
    expect(await left(new Error('cut'))).toBe(true);
    expect(await left()).toBe(false);
    expect(await left(new Error('cut'))).toBe(true);
    leases.forgetUnfinished();
    expect(leases.isKept('a')).toBe(false);
    expect(await left(new TareError('exhausted', 'no space left on device'))).toBe(false);
    expect(rows.size).toBe(0);
  });

  test('a prune forgets nothing that is being made', async () => {
    const { leases } = setup();
    await leases.hold(
      async (lease) => {
        lease.stored('a');
        leases.forgetUnfinished();
        expect(leases.isKept('a')).toBe(true);
      },
      { resumable: true },
    );
  });
});
