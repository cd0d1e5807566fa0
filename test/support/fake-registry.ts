import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { digestOf } from '../../src/oci/digest.ts';
import { MEDIA_TYPES } from '../../src/oci/manifest.ts';
import { FakeUploads } from './fake-uploads.ts';

/** One request as the registry saw it. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
  readonly range: string | undefined;
}

/**
 * What a test makes of a request instead of the right answer: it answers by itself and returns true, or returns
 * false to let the registry answer. Hooks are asked in order; one that is used up returns false.
 */
export type Fault = (request: IncomingMessage, response: ServerResponse, path: string) => boolean;

/** A registry in this process, on loopback, that can be told to misbehave. */
export class FakeRegistry {
  readonly blobs = new Map<string, Uint8Array>();
  /** `repository:tag` or `repository@digest`. */
  readonly manifests = new Map<string, { bytes: Uint8Array; mediaType: string }>();
  readonly seen: SeenRequest[] = [];
  readonly faults: Fault[] = [];
  readonly writing = new FakeUploads(this);
  auth: 'none' | 'basic' | 'token' = 'none';
  user: { name: string; password: string } | undefined;
  /** Tokens that are still good. */
  readonly tokens = new Set<string>();
  tokenRequests: string[] = [];
  /** What the token server gives beside each token. */
  refreshToken: string | undefined;
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => this.#handle(request, response));
  }

  static async start(): Promise<FakeRegistry> {
    const registry = new FakeRegistry();
    await new Promise<void>((resolve) => registry.#server.listen(0, '127.0.0.1', resolve));
    return registry;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  /** `127.0.0.1:PORT`. */
  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  blob(bytes: Uint8Array): { digest: string; size: number } {
    const digest = digestOf(bytes);
    this.blobs.set(digest, bytes);
    return { digest, size: bytes.byteLength };
  }

  /** Puts a document under its digest and, if given, a tag. Returns its descriptor. */
  document(repository: string, value: object, mediaType: string, tag?: string) {
    const bytes = new TextEncoder().encode(JSON.stringify(value));
    const digest = digestOf(bytes);
    this.manifests.set(`${repository}@${digest}`, { bytes, mediaType });
    if (tag !== undefined) this.manifests.set(`${repository}:${tag}`, { bytes, mediaType });
    return { mediaType, digest, size: bytes.byteLength };
  }

  /** An image of these layers, given as plain bytes; they are gzipped. */
  image(repository: string, tag: string | undefined, layers: readonly Uint8Array[], platform = 'amd64') {
    const compressed = layers.map((layer) => this.blob(new Uint8Array(gzipSync(layer, { level: 1 }))));
    const config = {
      os: 'linux',
      architecture: platform,
      config: {},
      rootfs: { type: 'layers', diff_ids: layers.map((layer) => digestOf(layer)) },
    };
    const manifest = {
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.ociManifest,
      config: {
        mediaType: MEDIA_TYPES.ociConfig,
        ...this.blob(new TextEncoder().encode(JSON.stringify(config))),
      },
      layers: compressed.map((blob) => ({ mediaType: MEDIA_TYPES.ociLayerGzip, ...blob })),
    };
    return { ...this.document(repository, manifest, MEDIA_TYPES.ociManifest, tag), manifest };
  }

  /** Paths that were asked for, without `/v2/` itself and the token server. */
  paths(): string[] {
    return this.seen.map((request) => request.path).filter((path) => path !== '/v2/' && path !== '/token');
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', `http://${this.host}`);
    const { authorization, range } = request.headers;
    this.seen.push({ method: request.method ?? '', path: url.pathname, authorization, range });
    if (this.faults.some((fault) => fault(request, response, url.pathname))) return;
    if (url.pathname === '/token') this.#token(request, response, url);
    else if (!this.#allowed(authorization)) this.#challenge(response);
    else if (url.pathname === '/v2/') response.end('{}');
    else if (!this.writing.handle(request, response, url)) this.#serve(request, response, url);
  }

  #serve(request: IncomingMessage, response: ServerResponse, url: URL): void {
    const [, repository = '', kind = '', selector = ''] =
      /^\/v2\/(.+)\/(manifests|blobs)\/(.+)$/.exec(url.pathname) ?? [];
    if (kind === 'manifests') this.#manifest(response, repository, selector);
    else this.#blob(request, response, selector);
  }

  #allowed(authorization: string | undefined): boolean {
    if (this.auth === 'none') return true;
    if (this.auth === 'basic') return authorization === basic(this.user);
    return authorization?.startsWith('Bearer ') === true && this.tokens.has(authorization.slice(7));
  }

  #challenge(response: ServerResponse): void {
    const challenge =
      this.auth === 'basic'
        ? 'Basic realm="fake, with a comma"'
        : `Bearer realm="http://${this.host}/token",service="fake",scope="repository:x:pull"`;
    response.writeHead(401, { 'WWW-Authenticate': challenge, 'Content-Type': 'application/json' });
    response.end(errorBody('UNAUTHORIZED', 'authentication required'));
  }

  #token(request: IncomingMessage, response: ServerResponse, url: URL): void {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      this.tokenRequests.push(`${request.method} ${url.search} ${Buffer.concat(chunks).toString()}`);
      const { authorization } = request.headers;
      if (this.user !== undefined && request.method === 'GET' && authorization !== basic(this.user)) {
        response.writeHead(401, { 'Content-Type': 'application/json' });
        response.end(JSON.stringify({ details: 'incorrect username or password' }));
        return;
      }
      const token = `token-${this.tokenRequests.length}`;
      this.tokens.add(token);
      response.end(JSON.stringify({ token, expires_in: 300, refresh_token: this.refreshToken }));
    });
  }

  #manifest(response: ServerResponse, repository: string, selector: string): void {
    const separator = selector.includes(':') ? '@' : ':';
    const found = this.manifests.get(`${repository}${separator}${selector}`);
    if (found === undefined) {
      const known = [...this.manifests.keys()].some((key) => key.split(/[:@]/)[0] === repository);
      response.writeHead(404, { 'Content-Type': 'application/json' });
      response.end(
        known
          ? errorBody('MANIFEST_UNKNOWN', 'manifest unknown')
          : errorBody('NAME_UNKNOWN', 'repository name not known to registry'),
      );
      return;
    }
    response.writeHead(200, {
      'Content-Type': found.mediaType,
      'Content-Length': found.bytes.byteLength,
      'Docker-Content-Digest': digestOf(found.bytes),
    });
    response.end(found.bytes);
  }

  #blob(request: IncomingMessage, response: ServerResponse, digest: string): void {
    const bytes = this.blobs.get(digest);
    if (bytes === undefined) {
      response.writeHead(404, { 'Content-Type': 'application/json' });
      response.end(errorBody('BLOB_UNKNOWN', 'blob unknown to registry'));
      return;
    }
    const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    if (start > 0) {
      response.writeHead(206, {
        'Content-Range': `bytes ${start}-${bytes.byteLength - 1}/${bytes.byteLength}`,
        'Content-Length': bytes.byteLength - start,
      });
    } else {
      response.writeHead(200, { 'Content-Length': bytes.byteLength });
    }
    response.end(bytes.subarray(start));
  }
}

/** An error body of the distribution specification. */
export function errorBody(code: string, message: string): string {
  return JSON.stringify({ errors: [{ code, message, detail: null }] });
}

/** A fault for the first `times` requests whose path has `part`. */
export function onPath(
  part: string,
  times: number,
  answer: (response: ServerResponse, request: IncomingMessage) => void,
): Fault {
  let left = times;
  return (request, response, path) => {
    if (left === 0 || !path.includes(part)) return false;
    left--;
    answer(response, request);
    return true;
  };
}

function basic(user: { name: string; password: string } | undefined): string {
  return `Basic ${Buffer.from(`${user?.name}:${user?.password}`).toString('base64')}`;
}
