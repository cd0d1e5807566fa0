import { TareError } from '../../base/errors.ts';
import { codeOf } from '../../kernel/errno.ts';
import { mount } from '../../kernel/mount.ts';
import { attachCopy } from '../../kernel/mount-tree.ts';
import { type IdRange, openUserNamespace } from '../../kernel/user-namespace.ts';
import type { MountSpec, Snapshotter } from '../../snapshots/snapshots.ts';
import type { Container } from './model.ts';
import type { MountShelf } from './mount-shelf.ts';
import type { ContainerPaths } from './paths.ts';
import type { UserMapping } from './user-mapping.ts';

/**
 * The overlay makes files of its own (work directory, whiteouts, copies before they get their owner) as who mounted it:
 * root of the host, who needs an id on the disk, too, or the kernel mounts it read-only. No container has this one.
 */
const MOUNTER: IdRange = { inside: 2 ** 32 - 2, outside: 0, count: 1 };

function withMounter(ranges: readonly IdRange[]): readonly IdRange[] {
  return ranges.some(({ outside }) => outside === 0) ? ranges : [...ranges, MOUNTER];
}

/** What mounting roots takes. */
export interface RootMounterParts {
  readonly snapshotter: Pick<Snapshotter, 'mounts'>;
  readonly paths: Pick<ContainerPaths, 'rootfs'>;
  /** Where translated copies of layers stand while the overlay over them is mounted. */
  readonly shelf: MountShelf;
  readonly mapping: (container: Container) => UserMapping | undefined;
}

/**
 * Mounts containers' roots. The root of a container in a user namespace of its own is an overlay over copies of its
 * layers whose owners are translated (mount_setattr(2), ID-mapped mounts): on the disk all ids are those inside, so no
 * file changes its owner, layers are shared with other containers, and a commit needs no translation. The overlay
 * itself cannot be translated (*measured*: EINVAL), its layers can (Linux 5.19); it keeps them when the copies go.
 */
export class RootMounter {
  readonly #parts: RootMounterParts;
  /** Descriptors by mapping, open as long as the daemon runs: there are few. */
  readonly #namespaces = new Map<string, Promise<number>>();

  constructor(parts: RootMounterParts) {
    this.#parts = parts;
  }

  /** Mounts the container's snapshot where its root is. Throws `not-implemented` where owners cannot be translated. */
  async mount(container: Container): Promise<void> {
    const { snapshotter, paths } = this.#parts;
    const target = paths.rootfs(container.id);
    const namespace = await this.namespace(container);
    for (const spec of snapshotter.mounts(container.id)) {
      if (namespace === undefined) mount(spec.type, spec.source, target, spec.options);
      else this.#mountTranslated(container.id, spec, target, namespace);
    }
  }

  isMapped(container: Container): boolean {
    return this.#parts.mapping(container) !== undefined;
  }

  /** The user namespace whose maps translate a container's owners; undefined: it is in the host's. */
  async namespace(container: Container): Promise<number | undefined> {
    const mapping = this.#parts.mapping(container);
    if (mapping === undefined) return undefined;
    const key = JSON.stringify(mapping);
    let namespace = this.#namespaces.get(key);
    if (namespace === undefined) {
      namespace = openUserNamespace(withMounter(mapping.uids), withMounter(mapping.gids));
      this.#namespaces.set(key, namespace);
      namespace.catch(() => this.#namespaces.delete(key));
    }
    return await namespace;
  }

  #mountTranslated(id: string, spec: MountSpec, target: string, userNamespace: number): void {
    const { shelf } = this.#parts;
    let index = 0;
    const copy = (source: string): string => {
      const place = shelf.place(id, index++);
      attachCopy(source, place, { recursive: false, readOnly: false, isolated: true, userNamespace });
      return place;
    };
    try {
      const options = spec.options.map((option) => {
        if (option.startsWith('lowerdir=')) {
          return `lowerdir=${option.slice('lowerdir='.length).split(':').map(copy).join(':')}`;
        }
        return option;
      });
      // Upper and work directory must be on one mount (overlayfs.rst): both are in the snapshot's directory.
      const upper = optionValue(spec.options, 'upperdir');
      const directory = upper.slice(0, upper.lastIndexOf('/'));
      const place = copy(directory);
      const moved = options.map((option) =>
        /^(upperdir|workdir)=/.test(option) ? option.replace(`=${directory}/`, `=${place}/`) : option,
      );
      mount(spec.type, spec.source, target, moved);
    } catch (error) {
      if (codeOf(error) !== 'EINVAL') throw error;
      throw new TareError(
        'not-implemented',
        'the file system of the data root cannot translate owners of layers, which user namespaces need (Linux 5.19, and ext4, xfs or btrfs): use --userns=host',
        error,
      );
    } finally {
      shelf.clear(id);
    }
  }
}

function optionValue(options: readonly string[], name: string): string {
  return options.find((option) => option.startsWith(`${name}=`))?.slice(name.length + 1) ?? '';
}
