import type { Snapshotter } from '../../../snapshots/snapshots.ts';
import type { ContainerService } from '../../containers/containers.ts';
import type { BuildRequest } from '../builder.ts';
import type { ContextTree } from './context-tree.ts';
import type { Limits } from './limits.ts';
import type { Roots } from './roots.ts';

/** What the operations of one build work with. */
export interface Environment {
  readonly request: BuildRequest;
  /** Layers that it stores are held as long as the build lasts. */
  readonly layers: Pick<Snapshotter, 'applyLayer'>;
  readonly roots: Roots;
  readonly containers: Pick<ContainerService, 'create' | 'attach' | 'start' | 'wait' | 'remove' | 'kill'>;
  /** What a container has changed, as a layer; `hidden`: mount points that are no change. */
  readonly layerOf: (containerId: string, hidden: readonly string[]) => ReadableStream<Uint8Array>;
  readonly limits: Limits;
  /** The build's context by the empty name, and those of --build-context. */
  readonly context: (name: string) => Promise<ContextTree>;
  /** What need not be waited for before the build's end; it may fail then. */
  readonly later: (work: Promise<void>) => void;
  /** Directory for what ADD fetches. */
  readonly scratch: string;
  /** Directory in memory, for secrets. */
  readonly memory: () => Promise<string>;
}
