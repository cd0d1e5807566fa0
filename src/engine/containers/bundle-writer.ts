import type { Connection } from './container-network.ts';
import type { Container } from './model.ts';

/** Writes what the runtime reads at a container's start: files for /etc, and the bundle's config.json. */
export interface BundleWriter {
  /** `container` has its endpoints; its root is mounted, and its mounts' sources are what to bind. Returns Docker's warnings. */
  write(container: Container, connection: Connection, find: (ref: string) => Container): Promise<string[]>;
}
