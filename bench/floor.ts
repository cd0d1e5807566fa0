/**
 * The floor: what conmon and crun alone take for one container, create to delete, with Docker's own OCI configuration
 * and its seccomp policy compiled beforehand. No client, no daemon, no network; the root is mounted already.
 */
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  watch,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { must, until } from '../test/support/command.ts';
import type { DockerEngine } from './dockerd.ts';
import { Place, timed } from './engine.ts';

interface OciConfig {
  process: { args: string[]; terminal?: boolean };
  root: { path: string; readonly?: boolean };
  hooks?: unknown;
  linux: { namespaces: Array<{ type: string; path?: string }>; cgroupsPath?: string };
  annotations?: Record<string, string>;
  mounts: Array<{ source?: string; destination: string }>;
}

export class Floor {
  readonly #place = new Place('floor');
  #config: OciConfig | undefined;
  #count = 0;

  /** Takes the configuration of a container that `docker` has made, and compiles its filter. */
  async prepare(docker: DockerEngine, tar: string): Promise<void> {
    const path = (name: string) => this.#place.path(name);
    for (const name of ['root', 'exits', 'crun']) mkdirSync(path(name));
    await must(['tar', '-xf', tar, '-C', path('root')]);
    const id = (await timed(docker, ['run', '-d', 'busybox', 'sleep', '1000'])).stdout;
    const config: OciConfig = JSON.parse(readFileSync(`${docker.bundle(id)}/config.json`, 'utf8'));
    await timed(docker, ['rm', '-f', id]);
    config.process.args = ['true'];
    config.root.path = path('root');
    delete config.hooks;
    for (const namespace of config.linux.namespaces) delete namespace.path;
    // Docker binds hosts, hostname and resolv.conf from its data root: files of that container, gone by now.
    for (const mount of config.mounts) if (mount.destination.startsWith('/etc/')) mount.source = path('etc');
    writeFileSync(path('etc'), '');
    this.#config = config;
    await this.once();
    // crun leaves the compiled filter beside its state: kept from a container that was not deleted yet.
    const filter = await this.#compiledFilter();
    if (filter !== undefined) config.annotations = { 'run.oci.seccomp_bpf_data': filter.toString('base64') };
  }

  async #compiledFilter(): Promise<Buffer | undefined> {
    const id = await this.#create();
    const path = this.#place.path('crun', id, 'seccomp.bpf');
    const filter = existsSync(path) ? readFileSync(path) : undefined;
    await must(['crun', `--root=${this.#place.path('crun')}`, 'delete', '--force', id]);
    return filter;
  }

  /** One container from create to delete. Milliseconds. */
  async once(): Promise<number> {
    const begin = performance.now();
    const exits = this.#place.path('exits');
    const id = await this.#create();
    const ended = Promise.withResolvers<void>();
    const watcher = watch(exits, (_, name) => {
      if (name === id) ended.resolve();
    });
    // Opening crun's gate is what `crun start` does, without a process.
    const gate = openSync(this.#place.path('crun', id, 'exec.fifo'), 'w');
    writeSync(gate, '0');
    closeSync(gate);
    await ended.promise;
    watcher.close();
    const code = readFileSync(`${exits}/${id}`, 'utf8');
    if (code !== '0') throw new Error(`floor: the container ended with ${code}`);
    await must(['crun', `--root=${this.#place.path('crun')}`, 'delete', id]);
    const milliseconds = performance.now() - begin;
    rmSync(`${exits}/${id}`);
    return milliseconds;
  }

  /** Starts conmon, which starts crun; resolves when the container is created. */
  async #create(): Promise<string> {
    const id = `floor${process.pid}x${++this.#count}`;
    const bundle = this.#place.path(`bundle-${id}`);
    mkdirSync(bundle);
    const config = this.#config!;
    config.linux.cgroupsPath = `/tare-bench/${id}`;
    writeFileSync(`${bundle}/config.json`, JSON.stringify(config));
    const child = Bun.spawn(
      [
        ...[
          'conmon',
          '--api-version',
          '1',
          '-c',
          id,
          '-u',
          id,
          '-n',
          id,
          '-r',
          '/usr/bin/crun',
          '-b',
          bundle,
        ],
        ...['-p', `${bundle}/pid`, '--exit-dir', this.#place.path('exits'), '-l', `k8s-file:${bundle}/log`],
        ...['--runtime-arg', `--root=${this.#place.path('crun')}`, '--socket-dir-path', bundle],
      ],
      { stdio: ['ignore', 'ignore', 'pipe', 'pipe'], env: { ...process.env, _OCI_SYNCPIPE: '3' } },
    );
    const said = await firstLine(child.stdio[3] as unknown as number);
    const created = JSON.parse(said || '{}') as { data?: number; message?: string };
    if (!created.data || created.data < 0)
      throw new Error(`floor: conmon said ${said} ${await new Response(child.stderr).text()}`);
    return id;
  }

  async close(): Promise<void> {
    await until('the last monitor has ended', () => this.#place.pids(() => true).length === 0, 5000).catch(
      () => undefined,
    );
    await this.#place.close();
  }
}

async function firstLine(fd: number): Promise<string> {
  let text = '';
  for await (const chunk of Bun.file(fd).stream()) {
    text += new TextDecoder().decode(chunk);
    if (text.includes('\n')) break;
  }
  return text.trim();
}
