import { afterAll, describe, expect, test } from 'bun:test';
import { spawnSync } from 'node:child_process';
import {
  type Random,
  randomActions,
  randomLayer,
  Random as Seeded,
} from '../../test/support/snapshots/random-layers.ts';
import { SnapshotLab } from '../../test/support/snapshots/snapshot-lab.ts';
import { bytesOf, digestOf, streamOfBytes, tarOf } from '../../test/support/snapshots/tar-bytes.ts';
import { describeTree } from '../../test/support/snapshots/tree-listing.ts';
import { erofsSnapshotter, overlaySnapshotter } from './open.ts';

/** Milliseconds for random cases; each has a number, so that a failure can be had again. */
const BUDGET = 8000;
const MOST = 200;

const begin = Math.floor(Date.now() / 1000);

/** A line of a tree whose time is not before this test: the two drivers' turns may fall into different seconds. */
function withoutNow(line: string): string {
  return line.replace(/ ([0-9]{10}) /, (time, seconds) =>
    Number(seconds) < begin || Number(seconds) > begin + 86_400 ? time : ' now ',
  );
}

describe('both drivers do the same', () => {
  const erofs = new SnapshotLab('fuzz-erofs', erofsSnapshotter);
  const overlay = new SnapshotLab('fuzz-overlay', overlaySnapshotter);
  const labs = [erofs, overlay];
  afterAll(async () => {
    for (const lab of labs) await lab.close();
  }, 60_000);

  async function runCase(seed: number): Promise<void> {
    const random = new Seeded(seed);
    const chain: string[] = [];
    for (let count = 1 + random.below(4); count > 0; count--) await addLayer(random, chain);
    for (let round = 0; round < 2 && chain.length > 0; round++) await change(random, chain);
    for (const lab of labs) lab.unmountAll();
  }

  /** Both take it, and then it joins the chain, or both refuse it with the same words. */
  async function addLayer(random: Random, chain: string[]): Promise<void> {
    const tar = tarOf(...randomLayer(random));
    const [one, other] = await Promise.all(labs.map((lab) => lab.failure(tar)));
    expect(String(other)).toBe(String(one));
    if (one !== undefined) return;
    chain.push(digestOf(tar));
    const [first, second] = labs.map((lab) =>
      describeTree(lab.mountAll(lab.snapshotter.viewMounts(chain)), true),
    );
    expect(second).toEqual(first ?? []);
  }

  /** The same changes over the same layers give the same tree, changes and diff, which then is the next layer. */
  async function change(random: Random, chain: string[]): Promise<void> {
    const actions = randomActions(random);
    const results = await Promise.all(
      labs.map(async (lab) => {
        const { key, root } = await lab.snapshot(...chain);
        for (const [program = '', ...args] of actions) {
          spawnSync(program, args, { cwd: root, stdio: 'ignore' });
        }
        const tree = describeTree(root, true);
        return { tree, changes: await lab.changes(key), tar: await bytesOf(lab.snapshotter.diff(key)) };
      }),
    );
    const [one, other] = results;
    if (one === undefined || other === undefined) throw new Error('two drivers are compared');
    expect(other.tree.map(withoutNow)).toEqual(one.tree.map(withoutNow));
    expect(other.changes).toEqual(one.changes);
    chain.push(digestOf(one.tar));
    for (const lab of labs) {
      await lab.snapshotter.applyLayer(digestOf(one.tar), streamOfBytes(one.tar));
      const again = describeTree(lab.mountAll(lab.snapshotter.viewMounts(chain)), true);
      expect(again).toEqual(one.tree);
    }
  }

  test('random layers, changed and packed again', async () => {
    const end = Date.now() + BUDGET;
    const only = process.env.TARE_FUZZ_SEED;
    for (let seed = Number(only ?? 1); seed <= MOST && (Date.now() < end || only); seed++) {
      try {
        await runCase(seed);
      } catch (error) {
        throw new Error(`with the seed ${seed}`, { cause: error });
      }
      if (only) break;
    }
  }, 60_000);
});
