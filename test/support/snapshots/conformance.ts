import { afterAll, afterEach, beforeAll, describe } from 'bun:test';
import type { Snapshotter } from '../../../src/snapshots/snapshots.ts';
import { hostileTests } from './hostile-suite.ts';
import { layerTests } from './layer-suite.ts';
import { SnapshotLab } from './snapshot-lab.ts';
import { snapshotTests } from './snapshot-suite.ts';

/**
 * What every Snapshotter has to do, whatever it stores layers as. `make` gives one over a directory, new or of
 * an earlier instance. Needs root: it mounts.
 */
export function describeSnapshotter(name: string, make: (root: string) => Snapshotter): void {
  describe(`snapshotter ${name}`, () => {
    let lab: SnapshotLab | undefined;
    const use = (): SnapshotLab => {
      if (lab === undefined) throw new Error('no test is running');
      return lab;
    };
    beforeAll(() => {
      lab = new SnapshotLab(name, make);
    });
    afterEach(() => lab?.unmountAll());
    afterAll(() => lab?.close(), 60_000);
    layerTests(use);
    hostileTests(use);
    snapshotTests(use);
  });
}
