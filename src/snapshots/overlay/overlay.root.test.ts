import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeSnapshotter } from '../../../test/support/snapshots/conformance.ts';
import { file, streamOfBytes, tarOf } from '../../../test/support/snapshots/tar-bytes.ts';
import { erofsSnapshotter, overlaySnapshotter } from '../open.ts';

describeSnapshotter('overlay', (root) => overlaySnapshotter(root));
describeSnapshotter('erofs', (root) => erofsSnapshotter(root));

describe('overlay on disk', () => {
  let root = '';
  beforeAll(() => {
    root = mkdtempSync('/tmp/tare-overlay-');
  });
  afterAll(() => {
    rmSync(root, { recursive: true, force: true });
  });

  test('what a crash leaves half-made is swept, what is whole stays', async () => {
    const store = `${root}/crash`;
    const first = overlaySnapshotter(store);
    const { diffId } = await first.applyLayer(undefined, streamOfBytes(tarOf(file('x', 'whole'))));
    await first.prepare('kept', [diffId]);
    await first.close();
    for (const path of ['l/zzzzzz/usr', 'ingest/zzzzzz/shadow', 'trash/abc/u', 'layers/0000/shadow']) {
      mkdirSync(`${store}/${path}`, { recursive: true });
      writeFileSync(`${store}/${path}/f`, 'half');
    }
    const second = overlaySnapshotter(store);
    await second.sweep();
    await second.close();
    expect(readdirSync(`${store}/l`)).toHaveLength(1);
    expect(readdirSync(`${store}/layers`)).toEqual([diffId.slice('sha256:'.length)]);
    expect(readdirSync(`${store}/ingest`)).toEqual([]);
    expect(readdirSync(`${store}/trash`)).toEqual([]);
    expect(second.listSnapshots()).toEqual(['kept']);
  });

  test('a killed process leaves no layer, and the next one stores it', async () => {
    const store = `${root}/killed`;
    const script = `${root}/apply.ts`;
    writeFileSync(
      script,
      `import { readdirSync } from 'node:fs';
       import { overlaySnapshotter } from ${JSON.stringify(join(import.meta.dir, '../open.ts'))};
       const tar = await Bun.file(${JSON.stringify(`${root}/layer.tar`)}).bytes();
       let at = 0;
       const slow = new ReadableStream({ async pull(c) {
         c.enqueue(tar.slice(at, at + 1500000));
         at += 1500000;
         if (at < tar.length) return;
         // The thread may be behind.
         while (readdirSync(${JSON.stringify(`${store}/l`)}).length === 0) await Bun.sleep(2);
         console.log('almost');
         await Bun.sleep(60000);
       } });
       await overlaySnapshotter(${JSON.stringify(store)}).applyLayer(undefined, slow);`,
    );
    const tar = tarOf(
      ...Array.from({ length: 50 }, (_, i) => file(`f${i}`, new Uint8Array(100_000).fill(i))),
    );
    writeFileSync(`${root}/layer.tar`, tar);
    const child = Bun.spawn([process.execPath, script], { stdout: 'pipe' });
    await child.stdout.getReader().read();
    child.kill('SIGKILL');
    await child.exited;
    expect(readdirSync(`${store}/l`)).toHaveLength(1);
    const next = overlaySnapshotter(store);
    expect(next.listLayers()).toEqual([]);
    await next.sweep();
    const { diffId, size } = await next.applyLayer(undefined, streamOfBytes(tar));
    expect(size).toBe(5_000_000);
    expect(
      Buffer.from(await new Response(next.layerTar(diffId)).arrayBuffer()).equals(Buffer.from(tar)),
    ).toBe(true);
    await next.close();
    expect(readdirSync(`${store}/l`)).toHaveLength(1);
    expect(readFileSync(`${store}/l/${readdirSync(`${store}/l`)[0]}/f1`)).toHaveLength(100_000);
  });
});
