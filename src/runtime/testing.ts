import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newId } from '../base/ids.ts';
import { createRuntime } from './crun-runtime.ts';
import { readMachine } from './machine.ts';
import type { Attachment, CreateRequest, ProcessExit, Runtime } from './runtime.ts';
import { buildSpec } from './spec/build-spec.ts';
import type { SpecInput } from './spec/input.ts';
import type { OciProcess, OciSpec } from './spec/oci-spec.ts';
import { plainInput } from './spec/testing.ts';

/** For root tests only: a runtime in a temporary directory and a busybox root file system. */
export class RuntimeFixture {
  readonly directory = mkdtempSync(join(tmpdir(), 'tare-rt-'));
  readonly rootfs = join(this.directory, 'rootfs');
  readonly exits: ProcessExit[] = [];
  readonly cgroupParent = `/tare-test-${process.pid}`;
  runtime: Runtime;
  readonly #ids = new Set<string>();
  #waiters: Array<() => void> = [];

  constructor() {
    for (const name of ['bin', 'etc', 'proc', 'sys', 'dev', 'tmp', 'root']) {
      mkdirSync(join(this.rootfs, name), { recursive: true });
    }
    copyFileSync('/bin/busybox', join(this.rootfs, 'bin/busybox'));
    const applets =
      'sh true false cat echo sleep head ls id stty tty env ps kill wc md5sum dd printf seq grep mount';
    for (const applet of applets.split(' ')) symlinkSync('busybox', join(this.rootfs, 'bin', applet));
    writeFileSync(join(this.rootfs, 'etc/notexec'), 'x');
    writeFileSync(
      join(this.rootfs, 'etc/passwd'),
      'root:x:0:0:root:/root:/bin/sh\nweb:x:33:33:web:/srv:/bin/sh\n',
    );
    writeFileSync(join(this.rootfs, 'etc/group'), 'root:x:0:\nweb:x:33:\nextra:x:44:web\n');
    chmodSync(this.directory, 0o755);
    this.runtime = this.#open();
  }

  #open(): Runtime {
    const runtime = createRuntime({ root: join(this.directory, 'run') });
    runtime.onExit((exit) => {
      this.exits.push(exit);
      for (const wake of this.#waiters.splice(0)) wake();
    });
    return runtime;
  }

  /** As if the daemon had been restarted. */
  async restart(): Promise<Runtime> {
    await this.runtime.close();
    this.runtime = this.#open();
    return this.runtime;
  }

  bundle(id: string): string {
    return join(this.directory, 'bundles', id);
  }

  process(args: readonly string[], more: Partial<OciProcess> = {}): OciProcess {
    return {
      user: { uid: 0, gid: 0 },
      cwd: '/',
      env: ['PATH=/bin', 'TERM=xterm'],
      args,
      ...more,
    };
  }

  spec(id: string, args: readonly string[], more: Partial<OciProcess> = {}): OciSpec {
    return {
      ociVersion: '1.0.2',
      process: this.process(args, more),
      root: { path: this.rootfs },
      mounts: [
        { destination: '/proc', type: 'proc', source: 'proc' },
        { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=755'] },
        {
          destination: '/dev/pts',
          type: 'devpts',
          source: 'devpts',
          options: ['newinstance', 'ptmxmode=0666'],
        },
      ],
      linux: {
        cgroupsPath: `${this.cgroupParent}/${id}`,
        namespaces: [
          { type: 'pid' },
          { type: 'mount' },
          { type: 'ipc' },
          { type: 'uts' },
          { type: 'network' },
        ],
      },
    };
  }

  /** Docker's isolation instead of the bare spec: for `change`. */
  docker(more: Partial<SpecInput> = {}): (spec: OciSpec) => OciSpec {
    return (bare) => {
      const input = plainInput(readMachine(), 'x'.repeat(64), bare.process.args);
      const own = { rootfs: this.rootfs, cgroupsPath: bare.linux.cgroupsPath ?? '', hostname: 'testhost' };
      return buildSpec({ ...input, ...own, terminal: bare.process.terminal ?? false, ...more }).spec;
    };
  }

  /** Creates a container of the spec without starting it. */
  async create(
    args: readonly string[],
    more: Partial<CreateRequest> & { change?: (spec: OciSpec) => OciSpec } = {},
  ): Promise<string> {
    const id = newId();
    this.#ids.add(id);
    const { change = (spec) => spec, ...request } = more;
    await this.runtime.writeBundle(
      this.bundle(id),
      change(this.spec(id, args, { terminal: request.terminal ?? false })),
    );
    await this.runtime.create({
      id,
      bundle: this.bundle(id),
      terminal: false,
      openStdin: false,
      stdinOnce: false,
      logPath: undefined,
      logMaxSize: 0,
      ...request,
    });
    return id;
  }

  /** Creates, attaches, starts, waits for the end, deletes. */
  async run(
    args: readonly string[],
    more: Partial<CreateRequest> & { change?: (spec: OciSpec) => OciSpec } = {},
  ): Promise<{ exit: ProcessExit; stdout: string; stderr: string }> {
    const id = await this.create(args, more);
    const output = collect(await this.runtime.attach(id));
    await this.runtime.start(id);
    const exit = await this.exit(id);
    const { stdout, stderr } = await output;
    await this.runtime.delete(id);
    return { exit, stdout, stderr };
  }

  /** Resolves with the end of a container or exec, also one that came before. */
  async exit(id: string, execId?: string): Promise<ProcessExit> {
    for (;;) {
      const found = this.exits.find((exit) => exit.id === id && exit.execId === execId);
      if (found) return found;
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
  }

  async close(): Promise<void> {
    for (const id of this.#ids) await this.runtime.delete(id);
    await this.runtime.close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** All output of an attachment until its end. */
export async function collect(
  attachment: Attachment,
): Promise<{ stdout: string; stderr: string; reason: string }> {
  const chunks: Record<'stdout' | 'stderr', Uint8Array[]> = { stdout: [], stderr: [] };
  attachment.onOutput((stream, chunk) => chunks[stream].push(chunk));
  const reason = await attachment.ended;
  const text = (list: Uint8Array[]): string => Buffer.concat(list).toString();
  return { stdout: text(chunks.stdout), stderr: text(chunks.stderr), reason };
}
