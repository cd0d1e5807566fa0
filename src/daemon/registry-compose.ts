import { join } from 'node:path';
import type { Logger } from '../base/log.ts';
import { KeyedMutex } from '../base/mutex.ts';
import { LocalContentStore } from '../content/local-store.ts';
import { Collector } from '../registry-server/local/collector.ts';
import { LocalRegistry } from '../registry-server/local/local-registry.ts';
import { ingestKey, Uploads } from '../registry-server/local/uploads.ts';
import { Database } from '../store/database.ts';
import { REGISTRY_MIGRATIONS } from '../store/migrations/registry.ts';
import { RegistryTable } from '../store/tables/registry.ts';

export interface RegistryStoreOptions {
  readonly root: string;
  /** Bytes. */
  readonly maxUploadSize: number;
  /** Milliseconds. */
  readonly uploadExpiry: number;
  readonly grace: number;
  readonly untagged: boolean;
}

/** A registry's root: its database, its bytes, and the services over them. */
export type RegistryStore = Awaited<ReturnType<typeof openRegistryStore>>;

/** Opens or makes the root, which the caller has locked, and removes what a crash left half-made. */
export async function openRegistryStore(options: RegistryStoreOptions, log: Logger) {
  const { root, grace } = options;
  const database = new Database(join(root, 'registry.db'), REGISTRY_MIGRATIONS);
  const metadata = new RegistryTable(database);
  const content = new LocalContentStore(join(root, 'content'));
  const resumable = new Set(metadata.uploads().map(ingestKey));
  await content.sweep((key) => resumable.has(key));
  const now = Date.now;
  const fileLock = new KeyedMutex();
  const uploads = new Uploads({
    content,
    metadata,
    now,
    log,
    maxSize: options.maxUploadSize,
    expiry: options.uploadExpiry,
  });
  const registry = new LocalRegistry({ content, metadata, uploads, fileLock, now, grace });
  const { untagged } = options;
  const collector = new Collector({
    content,
    metadata,
    uploads,
    fileLock,
    now,
    log,
    grace,
    untagged,
  });
  return {
    metadata,
    content,
    registry,
    uploads,
    fileLock,
    collector,
    async close(): Promise<void> {
      await uploads.close();
      database.close();
    },
  };
}
