import type { RootedTree, RootedTrees } from '../../archive/rooted/rooted.ts';
import { TareError } from '../../base/errors.ts';
import { onEnd } from '../../base/streams.ts';
import type { EventBus } from '../events/events.ts';
import type { VolumeStore } from './volume-store.ts';
import type { Volume } from './volumes.ts';

/** What copying volumes takes. */
export interface VolumeCopiesParts {
  readonly volumes: Pick<VolumeStore, 'using' | 'find' | 'get' | 'createFilled' | 'rename'>;
  readonly trees: RootedTrees;
  /** An empty directory to mount at, each time in a mount namespace of its own. */
  readonly at: string;
  readonly events: Pick<EventBus, 'emit'>;
}

/** Beyond Docker: the content of volumes as tars, copies of volumes, other names. */
export class VolumeCopies {
  readonly #parts: VolumeCopiesParts;

  constructor(parts: VolumeCopiesParts) {
    this.#parts = parts;
  }

  /**
   * A volume's content as a tar, the root's own owner and mode with it. What containers change meanwhile may or may
   * not be in it. The volume stays until the stream has ended.
   */
  async export(name: string): Promise<ReadableStream<Uint8Array>> {
    const started = Promise.withResolvers<ReadableStream<Uint8Array>>();
    const exporting = this.#parts.volumes.using(name, async (directory) => {
      const tree = await this.#open(directory);
      try {
        const { tar } = await tree.pack('/');
        const over = Promise.withResolvers<void>();
        started.resolve(onEnd(tar, over.resolve));
        await over.promise;
      } finally {
        await tree.close();
      }
    });
    exporting.catch(started.reject);
    const stream = await started.promise;
    this.#emit('export', this.#parts.volumes.get(name));
    return stream;
  }

  /**
   * Unpacks a tar, plain or compressed, into a volume: a new one, which appears when all of it is there, or one that
   * is there, whose files of the same names are replaced.
   */
  async import(name: string, tar: ReadableStream<Uint8Array>): Promise<Volume> {
    const { volumes } = this.#parts;
    const unpack = async (directory: string): Promise<void> => {
      const tree = await this.#open(directory);
      try {
        await tree.enter('/');
        await tree.unpack(tar, { keepKinds: false, owner: undefined });
      } finally {
        await tree.close();
      }
    };
    try {
      if (volumes.find(name) === undefined) await volumes.createFilled(name, {}, unpack);
      else await volumes.using(name, unpack);
    } catch (error) {
      if (!tar.locked) await tar.cancel().catch(() => {});
      throw error;
    }
    const volume = volumes.get(name);
    this.#emit('import', volume);
    return volume;
  }

  /** A new local volume with the content and the labels of another, whatever driver that has; `labels` are added. */
  async clone(from: string, name: string, labels: Volume['labels']): Promise<Volume> {
    const { volumes } = this.#parts;
    return await volumes.using(from, (source) =>
      volumes.createFilled(name, { ...volumes.get(from).labels, ...labels }, (target) =>
        copyTree(source, target, name),
      ),
    );
  }

  /** Throws `conflict` while a container has it. */
  rename(before: string, name: string): Promise<Volume> {
    return this.#parts.volumes.rename(before, name);
  }

  #open(directory: string): Promise<RootedTree> {
    const { trees, at } = this.#parts;
    const mounts = [{ type: '', source: directory, options: ['rbind'] }];
    return trees.open({ kind: 'mounted', at, mounts, binds: [] });
  }

  #emit(action: string, { name, driver }: Volume): void {
    this.#parts.events.emit({ type: 'volume', action, id: name, attributes: { driver } });
  }
}

/** `cp -a` keeps owners, links, holes and attributes, and shares blocks where the file system can. */
async function copyTree(source: string, target: string, name: string): Promise<void> {
  const child = Bun.spawn(['cp', '-a', '--reflink=auto', '--', `${source}/.`, `${target}/`], {
    stdin: 'ignore',
    stdout: 'ignore',
    stderr: 'pipe',
    env: { ...process.env, LC_ALL: 'C' },
  });
  const [code, errors] = await Promise.all([child.exited, new Response(child.stderr).text()]);
  if (code === 0) return;
  const kind = /No space left|quota exceeded/.test(errors) ? 'exhausted' : 'internal';
  throw new TareError(kind, `clone ${name}: ${errors.trim().split('\n')[0]}`);
}
