/** The row about our registry server: 200 clients that pull at once, against Debian's docker-registry. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { digestOf } from '../src/oci/digest.ts';
import { startDockerRegistry } from '../test/support/docker-registry.ts';
import { RegistryProcess } from '../test/support/registry-process.ts';
import { median, type Workload } from './workloads.ts';

const CLIENTS = 200;
const BLOB = 1024 * 1024;
const ROUNDS = 7;

interface Server {
  readonly host: string;
  stop(): Promise<unknown>;
}

/** Pushes a blob for each client and returns their addresses. */
async function fill(host: string, blobs: readonly Uint8Array[]): Promise<string[]> {
  const base = `http://${host}/v2/bench/blobs`;
  const urls: string[] = [];
  for (const bytes of blobs) {
    const digest = digestOf(bytes);
    const begun = await fetch(`${base}/uploads/`, { method: 'POST', proxy: false });
    const target = new URL(begun.headers.get('location') ?? '', base);
    target.searchParams.set('digest', digest);
    const ended = await fetch(target, { method: 'PUT', body: bytes, proxy: false });
    if (ended.status !== 201) throw new Error(`push to ${host}: ${ended.status}`);
    urls.push(`${base}/${digest}`);
  }
  return urls;
}

/** Milliseconds until all blobs have come, all asked for at once. */
async function pullAll(urls: readonly string[]): Promise<number> {
  const begin = performance.now();
  const sizes = await Promise.all(
    urls.map(async (url) => {
      const response = await fetch(url, { proxy: false, keepalive: false });
      let size = 0;
      for await (const chunk of response.body ?? []) size += chunk.byteLength;
      return size;
    }),
  );
  if (sizes.some((size) => size !== BLOB)) throw new Error('a blob did not come whole');
  return performance.now() - begin;
}

export const REGISTRY_WORKLOADS: readonly Workload[] = [
  {
    id: 'serve',
    title: "our registry, 200 pulls of 1 MB blobs at once, against docker-registry's throughput",
    target: '>= 1.0x',
    unit: 'x',
    runs: 1,
    tareOnly: true,
    measure: async (_, note) => {
      const folder = mkdtempSync('/var/tmp/tare-bench-serve-');
      const servers: Server[] = [];
      try {
        const ours = await RegistryProcess.start({ root: join(folder, 'tare') });
        servers.push(ours);
        const theirs = await startDockerRegistry(folder, 'docker');
        servers.push(theirs);
        const blobs = Array.from({ length: CLIENTS }, () => new Uint8Array(randomBytes(BLOB)));
        const urls = [await fill(ours.host, blobs), await fill(theirs.host, blobs)] as const;
        const times: [number[], number[]] = [[], []];
        // Once unmeasured; then in turn.
        for (let round = -1; round < ROUNDS; round++) {
          for (const which of [0, 1] as const) {
            const milliseconds = await pullAll(urls[which]);
            if (round >= 0) times[which].push(milliseconds);
          }
        }
        const [own, other] = times.map(median) as [number, number];
        const rate = (milliseconds: number) => `${((CLIENTS * BLOB) / 1e3 / milliseconds).toFixed(0)} MB/s`;
        note(`${rate(own)} against ${rate(other)}`);
        return other / own;
      } finally {
        for (const server of servers) await server.stop();
        rmSync(folder, { recursive: true, force: true });
      }
    },
  },
];
