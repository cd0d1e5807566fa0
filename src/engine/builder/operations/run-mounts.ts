import { randomUUID } from 'node:crypto';
import { chmod, chown, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { toByteString, toText } from '../../../archive/byte-string.ts';
import { TareError } from '../../../base/errors.ts';
import { mount, unmount } from '../../../kernel/mount.ts';
import type { MountRequest } from '../../containers/model.ts';
import { insideContext } from '../context/inside-context.ts';
import type { BindMount, CacheMount, RunMount, SecretMount, SshMount } from '../dockerfile/run-mount.ts';
import type { Chain } from '../graph/graph.ts';
import type { CacheMounts, TakenCache } from './cache-mounts.ts';
import { contextDigest } from './copy.ts';
import type { Environment } from './environment.ts';
import { findInside } from './links-inside.ts';

/** A mount of a RUN, with where its contents come from. */
export interface PlannedMount {
  /** Its target is absolute. */
  readonly mount: RunMount;
  /** A context's name, the number of the vertex's input, or nothing. */
  readonly from: { readonly context: string } | { readonly input: number } | undefined;
}

/** What a RUN's container is given. */
export interface MadeMounts {
  readonly mounts: MountRequest[];
  readonly env: string[];
  /** Environment variables that hold secrets, by the file that has each: only the command's shell may know them. */
  readonly secretEnv: ReadonlyArray<{ readonly name: string; readonly path: string }>;
  /** Layers of the images that mounts name. */
  readonly views: ReadonlyMap<string, Chain>;
  /** Paths in the container that exist for the mounts alone. */
  readonly hidden: readonly string[];
  release(): Promise<void>;
}

const PLAIN = { source: '', readOnly: false, consistency: '' };
/** Where secrets for environment variables are put. */
const SECRET_ENV = '/run/.tare-secret-env';

/** What of the mounts decides whether a RUN was done before. Secrets never do. */
export async function mountKeys(
  planned: readonly PlannedMount[],
  inputs: readonly Chain[],
  environment: Environment,
): Promise<unknown[]> {
  return await Promise.all(
    planned.map(async ({ mount, from }) => {
      if (mount.type === 'cache') return [mount.type, mount.target, mount.id, mount.readOnly];
      if (mount.type !== 'bind') return mount.type === 'tmpfs' ? mount : [mount.type, mount.target, mount.id];
      const { target, source, writable } = mount;
      if (from && 'input' in from) return [target, source, writable, inputs[from.input]?.id];
      const tree = await environment.context(from?.context ?? '');
      return [target, writable, await contextDigest(tree, source)];
    }),
  );
}

/** Makes the mounts of one RUN, one after another; `release` undoes it all. */
export class MountMaker implements MadeMounts {
  readonly mounts: MountRequest[] = [];
  readonly env: string[] = [];
  readonly secretEnv: Array<{ name: string; path: string }> = [];
  readonly views = new Map<string, Chain>();
  readonly hidden: string[] = [];
  readonly #environment: Environment;
  readonly #caches: CacheMounts;
  readonly #inputs: readonly Chain[];
  readonly #signal: AbortSignal;
  readonly #undo: Array<() => Promise<void>> = [];
  /** Several mounts of a step may have one cache. */
  readonly #taken = new Map<string, TakenCache>();

  constructor(environment: Environment, caches: CacheMounts, inputs: readonly Chain[], signal: AbortSignal) {
    this.#signal = signal;
    this.#environment = environment;
    this.#caches = caches;
    this.#inputs = inputs;
  }

  /** Throws `invalid` for what is not there. */
  async add({ mount, from }: PlannedMount): Promise<void> {
    const { target } = mount;
    if (target !== '') this.hidden.push(target);
    if (mount.type === 'bind') await this.#bind(mount, from);
    else if (mount.type === 'cache') await this.#cache(mount, from);
    else if (mount.type === 'secret') await this.#secret(mount);
    else if (mount.type === 'ssh') await this.#ssh(mount);
    else {
      const tmpfsOptions = { sizeBytes: mount.size, mode: 0o1777, options: [['exec'], ['suid'], ['dev']] };
      this.mounts.push({ ...PLAIN, type: 'tmpfs', target, tmpfsOptions });
    }
  }

  /** A file of the daemon's own at a path of the container. */
  async file(target: string, content: string | Uint8Array, mode: number): Promise<void> {
    const path = await this.#memoryFile(content, mode, 0, 0);
    this.hidden.push(target);
    this.mounts.push({ ...PLAIN, type: 'bind', source: path, target, readOnly: true });
  }

  async release(): Promise<void> {
    for (const undo of this.#undo.splice(0).reverse()) await undo();
  }

  async #bind({ target, source, writable }: BindMount, from: PlannedMount['from']): Promise<void> {
    if (writable) {
      const path = await this.#writable(from, source);
      this.mounts.push({ ...PLAIN, type: 'bind', source: path, target });
      return;
    }
    if (from && 'input' in from) {
      this.#view(this.#input(from.input), source, target);
      return;
    }
    const { place, root } = await this.#environment.context(from?.context ?? '');
    if (place.kind === 'chain') {
      // A link at the path is followed inside the context, as it would be in a directory.
      const found = findInside(root, toByteString(source));
      if (!found) throw new TareError('invalid', `failed to calculate checksum of ref: ${source}: not found`);
      this.#view(place.chain, toText(found.path), target);
      return;
    }
    const real = await insideContext(place.path, source);
    this.mounts.push({ ...PLAIN, type: 'bind', source: real, target, readOnly: true });
  }

  #view(chain: Chain, source: string, target: string): void {
    const ref = `build-view-${randomUUID()}`;
    this.views.set(ref, chain);
    const imageOptions = { subpath: posix.resolve('/', source).slice(1) };
    this.mounts.push({ ...PLAIN, type: 'image', source: ref, target, readOnly: true, imageOptions });
  }

  #input(index: number): Chain {
    const chain = this.#inputs[index];
    if (!chain) throw new TareError('internal', 'a mount without its input');
    return chain;
  }

  /** What is written there goes with the step: a copy of the part that is mounted. */
  async #writable(from: PlannedMount['from'], source: string): Promise<string> {
    const { roots } = this.#environment;
    const directory = join(this.#environment.scratch, `w-${randomUUID()}`);
    await mkdir(directory, { mode: 0o755 });
    this.#undo.push(() => rm(directory, { recursive: true, force: true }));
    const tree =
      from && 'input' in from
        ? await roots.view(this.#input(from.input))
        : await (await this.#environment.context(from?.context ?? '')).another();
    try {
      await copyOut(tree, source, directory, roots);
    } finally {
      await tree.close();
    }
    const name = posix.basename(posix.resolve('/', source));
    return name === '' ? directory : join(directory, name);
  }

  async #cache(mount: CacheMount, from: PlannedMount['from']): Promise<void> {
    const { roots } = this.#environment;
    const own = this.#taken.get(mount.id);
    const taken =
      own ??
      (await this.#caches.take(
        mount,
        async (path) => {
          if (!from) return;
          const tree =
            'input' in from
              ? await roots.view(this.#input(from.input))
              : await (await this.#environment.context(from.context)).another();
          try {
            await copyOut(tree, `${mount.source.replace(/\/+$/, '')}/`, path, roots);
          } finally {
            await tree.close();
          }
        },
        this.#signal,
      ));
    if (!own) {
      this.#taken.set(mount.id, taken);
      this.#undo.push(async () => taken.release());
    }
    const { target, readOnly } = mount;
    this.mounts.push({ ...PLAIN, type: 'bind', source: taken.path, target, readOnly });
  }

  async #secret({ id, target, env, required, mode, uid, gid }: SecretMount): Promise<void> {
    const value = await this.#environment.request.secrets(id);
    if (value === undefined) {
      if (required)
        throw new TareError('invalid', `secret ${id}: not found: give it with --secret id=${id},…`);
      return;
    }
    if (target !== '') {
      const path = await this.#memoryFile(value, mode, uid, gid);
      this.mounts.push({ ...PLAIN, type: 'bind', source: path, target, readOnly: true });
    }
    if (env === '') return;
    const at = `${SECRET_ENV}/${env}`;
    await this.file(at, value, 0o444);
    this.secretEnv.push({ name: env, path: at });
  }

  async #ssh({ id, target, required }: SshMount): Promise<void> {
    const socket = await this.#environment.request.ssh(id);
    if (socket === undefined) {
      if (required) throw new TareError('invalid', `unset ssh forward key ${id}: give it with --ssh ${id}`);
      return;
    }
    const count = this.env.filter((entry) => entry.startsWith('SSH_AUTH_SOCK=')).length;
    const at = target || `/run/buildkit/ssh_agent.${count}`;
    if (target === '') this.hidden.push(at);
    this.mounts.push({ ...PLAIN, type: 'bind', source: socket, target: at });
    this.env.push(`SSH_AUTH_SOCK=${at}`);
  }

  async #memoryFile(content: string | Uint8Array, mode: number, uid: number, gid: number): Promise<string> {
    const path = join(await this.#environment.memory(), randomUUID());
    this.#undo.push(() => rm(path, { force: true }));
    await writeFile(path, content, { mode: 0o600, flag: 'wx' });
    await chown(path, uid, gid);
    await chmod(path, mode);
    return path;
  }
}

/** Copies a path of a tree into a directory of the host; with a slash at its end, what is in it. */
async function copyOut(
  tree: Awaited<ReturnType<Environment['roots']['view']>>,
  source: string,
  directory: string,
  roots: Environment['roots'],
): Promise<void> {
  const path = posix.resolve('/', source);
  const { tar } = await tree.pack(path);
  const target = await roots.directory(directory);
  try {
    await target.enter('/');
    await target.unpack(tar, { keepKinds: false, owner: undefined });
  } finally {
    await target.close();
  }
  if (!source.endsWith('/') || path === '/') return;
  // The tar has the directory itself, by its name.
  const inner = join(directory, `.${randomUUID()}`);
  await rename(join(directory, posix.basename(path)), inner);
  for (const name of await readdir(inner)) await rename(join(inner, name), join(directory, name));
  await rm(inner, { recursive: true });
}

/** A directory in memory alone, made when it is first asked for. */
export class MemoryDirectory {
  readonly #path: string;
  #made: Promise<string> | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  open(): Promise<string> {
    this.#made ??= this.#make();
    return this.#made;
  }

  async #make(): Promise<string> {
    await mkdir(this.#path, { recursive: true, mode: 0o700 });
    mount('tmpfs', 'tmpfs', this.#path, ['nosuid', 'nodev', 'mode=0700']);
    return this.#path;
  }

  /** Takes away what is there, also what an earlier daemon left. */
  close(): void {
    this.#made = undefined;
    unmount(this.#path);
  }
}
