import type { Action } from './auth/caller.ts';
import { deleteBlob, deleteManifest } from './handlers/deletion.ts';
import type { Handler } from './handlers/exchange.ts';
import { listReferrers, listTags } from './handlers/lists.ts';
import { pullBlob } from './handlers/pull-blob.ts';
import { pullManifest } from './handlers/pull-manifest.ts';
import { appendUpload, cancelUpload, finishUpload, startUpload, uploadStatus } from './handlers/push-blob.ts';
import { pushManifest } from './handlers/push-manifest.ts';

/** What may be asked of one kind of path below `/v2/`. */
export interface Endpoint {
  /** For the log and the metrics. */
  readonly name: string;
  /** Group 1 is the repository, group 2 the reference. */
  readonly pattern: RegExp;
  readonly methods: Readonly<Record<string, Operation>>;
}

export interface Operation {
  readonly handler: Handler;
  readonly action: Action;
}

/** The endpoints of the specification's table in the order in which they are tried. */
export function endpoints(maxManifestSize: number): readonly Endpoint[] {
  const pull = (handler: Handler): Operation => ({ handler, action: 'pull' });
  const push = (handler: Handler): Operation => ({ handler, action: 'push' });
  const remove = (handler: Handler): Operation => ({ handler, action: 'delete' });
  return [
    { name: 'uploads', pattern: /^\/v2\/(.+)\/blobs\/uploads\/?()$/, methods: { POST: push(startUpload) } },
    {
      name: 'upload',
      pattern: /^\/v2\/(.+)\/blobs\/uploads\/([^/]+)$/,
      methods: {
        GET: push(uploadStatus),
        HEAD: push(uploadStatus),
        PATCH: push(appendUpload),
        PUT: push(finishUpload),
        DELETE: push(cancelUpload),
      },
    },
    {
      name: 'blob',
      pattern: /^\/v2\/(.+)\/blobs\/([^/]+)$/,
      methods: { GET: pull(pullBlob), HEAD: pull(pullBlob), DELETE: remove(deleteBlob) },
    },
    {
      name: 'manifest',
      pattern: /^\/v2\/(.+)\/manifests\/([^/]+)$/,
      methods: {
        GET: pull(pullManifest),
        HEAD: pull(pullManifest),
        PUT: push(pushManifest(maxManifestSize)),
        DELETE: remove(deleteManifest),
      },
    },
    { name: 'tags', pattern: /^\/v2\/(.+)\/tags\/list()$/, methods: { GET: pull(listTags) } },
    {
      name: 'referrers',
      pattern: /^\/v2\/(.+)\/referrers\/([^/]+)$/,
      methods: { GET: pull(listReferrers) },
    },
  ];
}
