import type { IncomingMessage, ServerResponse } from 'node:http';
import { digestOf } from '../../src/oci/digest.ts';
import { errorBody, type FakeRegistry } from './fake-registry.ts';

interface Upload {
  readonly repository: string;
  bytes: Buffer;
}

/** The writing half of a fake registry: uploads, mounts, manifests. Each repository has the blobs that it was given. */
export class FakeUploads {
  /** `repository digest`. */
  readonly owned = new Set<string>();
  readonly uploads = new Map<string, Upload>();
  /** What was asked, in short: `HEAD app sha…`, `POST app mount=… from=…`, `PATCH 0-99`, `PATCH stream`, `PUT 12`. */
  readonly log: string[] = [];
  /** Sent with each answer about an upload. */
  minimumChunk: number | undefined;
  /** Mounts are answered as if there were nothing to mount. */
  refusesMounts = false;
  readonly #registry: FakeRegistry;
  #count = 0;

  constructor(registry: FakeRegistry) {
    this.#registry = registry;
  }

  /** Answers what it is for; false for all else. */
  handle(request: IncomingMessage, response: ServerResponse, url: URL): boolean {
    const { method = '' } = request;
    const [, repository = '', kind = '', selector = ''] =
      /^\/v2\/(.+)\/(manifests|blobs)\/(.+)$/.exec(url.pathname) ?? [];
    if (kind === 'blobs' && method === 'HEAD') this.#head(response, repository, selector);
    else if (kind === 'manifests' && method === 'PUT')
      this.#manifest(request, response, repository, selector);
    else if (method === 'POST' && url.pathname.endsWith('/blobs/uploads/')) {
      this.#open(response, url.pathname.slice('/v2/'.length, -'/blobs/uploads/'.length), url.searchParams);
    } else if (selector.startsWith('uploads/')) this.#upload(request, response, url, selector.slice(8));
    else return false;
    return true;
  }

  #head(response: ServerResponse, repository: string, digest: string): void {
    this.log.push(`HEAD ${repository}`);
    const size = this.#registry.blobs.get(digest)?.byteLength;
    const here = this.owned.has(`${repository} ${digest}`);
    response.writeHead(here ? 200 : 404, here ? { 'Content-Length': size } : {}).end();
  }

  #open(response: ServerResponse, repository: string, query: URLSearchParams): void {
    const digest = query.get('mount') ?? '';
    const from = query.get('from');
    this.log.push(`POST ${repository}${digest === '' ? '' : ` mount from ${from}`}`);
    if (!this.refusesMounts && this.owned.has(`${from} ${digest}`)) {
      this.owned.add(`${repository} ${digest}`);
      response.writeHead(201, { Location: `/v2/${repository}/blobs/${digest}` }).end();
      return;
    }
    const id = `u${this.#count++}`;
    this.uploads.set(id, { repository, bytes: Buffer.alloc(0) });
    this.#state(response, 202, id);
  }

  #state(response: ServerResponse, status: number, id: string): void {
    const upload = this.uploads.get(id);
    if (upload === undefined) {
      response.writeHead(404).end(errorBody('BLOB_UPLOAD_UNKNOWN', 'blob upload unknown to registry'));
      return;
    }
    response.writeHead(status, {
      Location: `/v2/${upload.repository}/blobs/uploads/${id}?state=${upload.bytes.byteLength}`,
      Range: `0-${Math.max(0, upload.bytes.byteLength - 1)}`,
      ...(this.minimumChunk === undefined ? {} : { 'OCI-Chunk-Min-Length': this.minimumChunk }),
    });
    response.end();
  }

  #upload(request: IncomingMessage, response: ServerResponse, url: URL, id: string): void {
    const upload = this.uploads.get(id);
    if (upload === undefined || request.method === 'GET') {
      if (request.method === 'GET') this.log.push('GET upload');
      this.#state(response, 204, id);
      return;
    }
    const range = request.headers['content-range'];
    const start = upload.bytes.byteLength;
    let length = 0;
    request.on('data', (chunk: Buffer) => {
      length += chunk.byteLength;
      upload.bytes = Buffer.concat([upload.bytes, chunk]);
    });
    request.on('error', () => {});
    request.on('end', () => {
      if (request.method === 'PATCH') {
        this.log.push(`PATCH ${range ?? 'stream'}`);
        if (range !== undefined && !range.startsWith(`${start}-`)) {
          response.writeHead(416).end(errorBody('RANGE_INVALID', 'invalid content range'));
        } else this.#state(response, 202, id);
      } else this.#finish(response, url, id, length);
    });
  }

  #finish(response: ServerResponse, url: URL, id: string, length: number): void {
    this.log.push(`PUT ${length}`);
    const { repository = '', bytes = Buffer.alloc(0) } = this.uploads.get(id) ?? {};
    this.uploads.delete(id);
    const digest = url.searchParams.get('digest') ?? '';
    if (digestOf(bytes) !== digest) {
      response.writeHead(400).end(errorBody('DIGEST_INVALID', 'provided digest did not match'));
      return;
    }
    this.#registry.blobs.set(digest, new Uint8Array(bytes));
    this.owned.add(`${repository} ${digest}`);
    response.writeHead(201, { 'Docker-Content-Digest': digest }).end();
  }

  #manifest(request: IncomingMessage, response: ServerResponse, repository: string, selector: string): void {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const bytes = new Uint8Array(Buffer.concat(chunks));
      this.log.push(`PUT manifest ${selector.includes(':') ? 'by digest' : selector}`);
      const stored = { bytes, mediaType: request.headers['content-type'] ?? '' };
      this.#registry.manifests.set(`${repository}@${digestOf(bytes)}`, stored);
      if (!selector.includes(':')) this.#registry.manifests.set(`${repository}:${selector}`, stored);
      response.writeHead(201, { 'Docker-Content-Digest': digestOf(bytes) }).end();
    });
  }
}
