import { describe, expect, test } from 'bun:test';
import { silentLogger } from '../../base/log.ts';
import { CompressedForms, type KeepCompressed } from './compressed-forms.ts';
import type { LayerForm } from './layer-blobs.ts';

const LAYERS = ['sha256:ours', 'sha256:theirs'];

/** Two layers with a form each, of which our encoder makes the first. */
function setup(policy: KeepCompressed) {
  const kept = new Set(LAYERS.map((diffId) => `${diffId}-gz`));
  const held = new Set<string>();
  let now = policy;
  const formOf = (diffId: string): LayerForm => ({
    diffId,
    descriptor: { mediaType: 'application/gzip', digest: `${diffId}-gz`, size: 5 },
    from: kept.has(`${diffId}-gz`) ? 'content' : 'recipe',
  });
  const forms = new CompressedForms({
    content: { remove: async (digest) => void kept.delete(digest) },
    snapshotter: {
      listLayers: () => LAYERS.map((diffId) => ({ diffId, size: 1, tarSize: 1 })),
    },
    layerBlobs: {
      forms: (diffId) => [formOf(diffId)],
      reproduces: async (digest) => digest.includes('ours'),
    },
    leases: { isHeld: (digest) => held.has(digest) },
    policy: () => now,
    log: silentLogger,
    delay: 0,
  });
  return {
    forms,
    held,
    kept,
    change: (next: KeepCompressed): void => {
      now = next;
    },
  };
}

async function until(done: () => boolean): Promise<void> {
  while (!done()) await Bun.sleep(5);
}

describe('keep-compressed', () => {
  test('auto drops what an encoder of ours makes again, and keeps the rest', async () => {
    const { forms, kept } = setup('auto');
    forms.review(LAYERS);
    await until(() => kept.size === 1);
    await forms.close();
    expect([...kept]).toEqual(['sha256:theirs-gz']);
  });

  test('never drops all, also what was there before', async () => {
    const { forms, kept } = setup('never');
    forms.reviewAll();
    await until(() => kept.size === 0);
    await forms.close();
  });

  test('always keeps all, until the policy is another one', async () => {
    const { forms, kept, change } = setup('always');
    forms.review(LAYERS);
    forms.reviewAll();
    await Bun.sleep(50);
    expect(kept.size).toBe(2);
    change('never');
    forms.reviewAll();
    await until(() => kept.size === 0);
    await forms.close();
  });

  test('what somebody holds goes when nobody does any more', async () => {
    const { forms, kept, held } = setup('never');
    held.add('sha256:ours-gz');
    forms.review(LAYERS);
    await until(() => kept.size === 1);
    expect([...kept]).toEqual(['sha256:ours-gz']);
    held.clear();
    await until(() => kept.size === 0);
    await forms.close();
  }, 10_000);

  test('nothing is dropped after the end', async () => {
    const { forms, kept } = setup('never');
    await forms.close();
    forms.review(LAYERS);
    await Bun.sleep(30);
    expect(kept.size).toBe(2);
  });
});
