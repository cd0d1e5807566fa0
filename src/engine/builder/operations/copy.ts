import { type ByteString, toByteString } from '../../../archive/byte-string.ts';
import type { RootedTree } from '../../../archive/rooted/rooted.ts';
import { TareError } from '../../../base/errors.ts';
import { Breath, streamOf } from '../../../base/streams.ts';
import { FileType } from '../../../kernel/files.ts';
import { copyInto, ensureDirectory } from '../copier.ts';
import type { CopyRequest } from '../copy-request.ts';
import { changedMode, type ModeChange, parseModeChange } from '../dockerfile/file-mode.ts';
import { type Chain, keyOf, type Operation, type Prepared, type Task } from '../graph/graph.ts';
import { type Added, addSources, isRemote } from '../sources/add.ts';
import { unpackable } from '../sources/archives.ts';
import { epochKey } from './clamp-times.ts';
import type { ContextTree } from './context-tree.ts';
import { type CopyAttributes, copyMembers } from './copy-members.ts';
import { type CopyPlan, planCopy } from './copy-plan.ts';
import type { Environment } from './environment.ts';
import { ownerIn } from './roots.ts';

/** What a COPY or ADD is about, besides its files. */
export interface CopyOperation {
  readonly name: 'COPY' | 'ADD';
  readonly request: CopyRequest;
  /** A context's name, empty for the build's own; undefined: it copies from the chain of its second input. */
  readonly context: string | undefined;
}

/** The operation of a COPY or ADD. */
export function copyOperation(copy: CopyOperation, environment: Environment): Operation {
  return {
    kind: 'operation',
    prepare: (inputs, task) => new Copy(copy, environment, inputs, task).prepare(),
  };
}

/** One copy, from looking at its sources to its layer. */
class Copy {
  readonly #copy: CopyOperation;
  readonly #environment: Environment;
  readonly #target: Chain;
  readonly #from: Chain | undefined;
  readonly #task: Task;
  readonly #change: ModeChange | undefined;
  readonly #closers: Array<() => Promise<void>> = [];

  constructor(copy: CopyOperation, environment: Environment, inputs: readonly Chain[], task: Task) {
    const [target, from] = inputs;
    if (!target) throw new TareError('internal', 'a copy without a root');
    this.#copy = copy;
    this.#environment = environment;
    this.#target = target;
    this.#from = from;
    this.#task = task;
    const { chmod } = copy.request;
    this.#change = chmod === '' ? undefined : parseModeChange(chmod);
  }

  async prepare(): Promise<Prepared> {
    try {
      return await this.#prepare();
    } catch (error) {
      await this.#close();
      throw error;
    }
  }

  async #prepare(): Promise<Prepared> {
    const { name, request, context } = this.#copy;
    const remote = request.sources.find(isRemote);
    if (name === 'COPY' && remote !== undefined) {
      throw new TareError('invalid', `source can't be a URL for COPY: use ADD for ${remote}`);
    }
    const { sources, destination, chown, chmod, exclude, parents } = request;
    const words = { sources, destination, chown, chmod, exclude, parents };
    const epoch = epochKey(this.#environment.request);
    const close = (): Promise<void> => this.#close();
    if (context === undefined) {
      // Equal contents under another name may end elsewhere: the names count.
      const key = keyOf(name, 'keeps owners', this.#target.id, this.#from?.id, words, ...epoch);
      return { key, close, run: () => this.#limited(() => this.#runFromChain()) };
    }
    const tree = await this.#environment.context(context);
    const added = name === 'ADD' ? await this.#add(tree) : undefined;
    const whole = added?.whole ?? request;
    const plan = await planCopy(whole, tree.root);
    const digest = await digestOf(plan, whole, tree, this.#change);
    const key = keyOf(name, this.#target.id, digest, added?.key ?? '', words, ...epoch);
    const run = async (): Promise<string | undefined> => {
      if (added && added.archives.length > 0) return await this.#unpack(added, tree);
      return await this.#store(plan, whole, tree.root);
    };
    return { key, close, run: () => this.#limited(run) };
  }

  #limited<T>(body: () => Promise<T>): Promise<T> {
    return this.#environment.limits.copies.run(this.#task.signal, body);
  }

  async #add(tree: ContextTree): Promise<Added> {
    const { scratch, request } = this.#environment;
    const opened = await tree.another();
    this.#closers.push(() => opened.close());
    const agent = (): Promise<string | undefined> => request.ssh('default');
    const added = await addSources(this.#copy.request, opened, scratch, this.#task.signal, agent);
    this.#closers.push(added.close);
    return added;
  }

  async #runFromChain(): Promise<string | undefined> {
    const { request } = this.#copy;
    if (!this.#from) throw new TareError('internal', 'a copy without a source');
    const view = await this.#environment.roots.view(this.#from);
    try {
      const root = rootOf(view);
      return await this.#store(await planCopy(request, root), request, root);
    } finally {
      await view.close();
    }
  }

  /** Writes the layer of what is copied as it is. */
  async #store(plan: CopyPlan, request: CopyRequest, source: ByteString): Promise<string> {
    const { roots, layers } = this.#environment;
    const view = await roots.view(this.#target);
    try {
      const places = { source, target: rootOf(view), destination: request.destination };
      const members = copyMembers(plan, request.inline, places, this.#attributes(view));
      const { diffId } = await layers.applyLayer(undefined, { members });
      return diffId;
    } finally {
      await view.close();
    }
  }

  /** Unpacks archives, on top of what is copied as it is. */
  async #unpack({ request, archives }: Added, tree: ContextTree): Promise<string | undefined> {
    const { roots, layers } = this.#environment;
    const { destination, chown } = request;
    const given = this.#change;
    const mode = given && 'octal' in given ? given.octal : undefined;
    const change = given && ((own: number, isDirectory: boolean) => changedMode(given, own, isDirectory));
    return await roots.changed(
      this.#target,
      async (root) => {
        const owner = chown === '' ? undefined : root.owner(chown);
        if (request.sources.length + request.inline.length > 0) {
          const source = await tree.another();
          const attributes = { uid: 0, gid: 0, ...owner, mode };
          await copyInto(request, source, root, attributes).finally(() => source.close());
        }
        for (const { open, isRepository } of archives) {
          await ensureDirectory(root, destination, owner);
          const tar = isRepository ? unpackable(open(), owner, change) : unpackable(open(), undefined);
          await root.put(destination, streamOf(tar));
        }
        return true;
      },
      async (layer) => (await layers.applyLayer(undefined, layer)).diffId,
    );
  }

  #attributes(target: RootedTree): CopyAttributes {
    const { chown } = this.#copy.request;
    const { sourceDateEpoch: epoch } = this.#environment.request;
    const change = this.#change;
    // Of a context nobody knows whose its files were; those of a stage or image keep their owners.
    const plain = this.#copy.context === undefined ? undefined : { uid: 0, gid: 0 };
    return {
      owner: chown === '' ? plain : ownerIn(chown, target),
      mode: (mode, isDirectory) => (change ? changedMode(change, mode, isDirectory) : mode),
      time: (seconds) => (epoch === undefined ? seconds : Math.min(seconds, epoch)),
      now: epoch ?? Math.floor(Date.now() / 1000),
    };
  }

  async #close(): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) await close();
  }
}

/** The root itself and not the link that a descriptor's name is. */
export function rootOf(tree: RootedTree): ByteString {
  return `${toByteString(tree.place)}/.`;
}

/** Hex digest of all that a copy brings: names, kinds, modes and contents; times do not count. */
async function digestOf(
  { items }: CopyPlan,
  { inline }: CopyRequest,
  tree: ContextTree,
  change: ModeChange | undefined,
): Promise<string> {
  const lines: unknown[] = [];
  const breath = new Breath();
  for (const { name, path, status, target } of items) {
    if (breath.due) await breath.take();
    const { mode, size, major, minor } = status;
    const type = mode & FileType.MASK;
    const isLink = type === FileType.LINK;
    const permissions = isLink
      ? 0
      : change
        ? changedMode(change, mode, type === FileType.DIRECTORY)
        : mode & 0o7777;
    if (type === FileType.FILE) {
      const known = tree.digestOf(path, size);
      lines.push([name, permissions, size, typeof known === 'string' ? known : await known]);
    } else lines.push([name, type, permissions, target, isLink ? 0 : major, isLink ? 0 : minor]);
  }
  lines.push(inline.map(({ name, content, file }) => [name, content, file?.sha256]));
  return keyOf(lines);
}

/** Hex digest of what lies at a path of a context, for the key of what mounts it. */
export async function contextDigest(tree: ContextTree, path: string): Promise<string> {
  const request: CopyRequest = {
    sources: [path],
    inline: [],
    destination: '/',
    from: '',
    chown: '',
    chmod: '',
    checksum: '',
    unpack: false,
    exclude: [],
    parents: false,
  };
  return await digestOf(await planCopy(request, tree.root), request, tree, undefined);
}
