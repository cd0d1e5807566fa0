import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '../../src/base/log.ts';
import { type RunningRegistry, startRegistry } from '../../src/daemon/registry-start.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { MEDIA_TYPES } from '../../src/oci/manifest.ts';
import type { RegistrySettings } from '../../src/wire/registry-settings.ts';

interface ErrorBody {
  readonly errors: readonly { readonly code: string; readonly message: string; readonly detail?: unknown }[];
}

/** The first error of an answer. */
export async function errorOf(response: Response): Promise<ErrorBody['errors'][number]> {
  const body = (await response.json()) as ErrorBody;
  const [error] = body.errors;
  if (error === undefined) throw new Error('the answer has no error');
  return error;
}

/** The code of the first error of an answer. */
export async function codeOf(response: Response): Promise<string> {
  return (await errorOf(response)).code;
}

/** A registry of ours in this process, on loopback, with a root of its own. */
export class TestRegistry {
  readonly root: string;
  readonly settings: RegistrySettings;
  #running: RunningRegistry;

  private constructor(root: string, settings: RegistrySettings, running: RunningRegistry) {
    this.root = root;
    this.settings = settings;
    this.#running = running;
  }

  /** `root`: an earlier one's, to go on with. */
  static async start(changes: Partial<RegistrySettings> = {}): Promise<TestRegistry> {
    const root = changes.root ?? mkdtempSync(join(tmpdir(), 'tare-regserver-'));
    const settings = { ...DEFAULTS, ...changes, root };
    return new TestRegistry(root, settings, await startRegistry(settings, silentLogger));
  }

  get running(): RunningRegistry {
    return this.#running;
  }

  get host(): string {
    return this.#running.address;
  }

  get url(): string {
    return `${this.settings.tlsCertificate === '' ? 'http' : 'https'}://${this.host}`;
  }

  async restart(): Promise<void> {
    await this.#running.close();
    this.#running = await startRegistry(this.settings, silentLogger);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running.close();
    rmSync(this.root, { recursive: true, force: true });
  }

  request(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`${this.url}${path}`, { redirect: 'manual', proxy: false, ...init } as RequestInit);
  }

  /** Pushes a blob by POST and PUT and returns its digest. */
  async pushBlob(
    repository: string,
    bytes: Uint8Array,
    headers: Record<string, string> = {},
  ): Promise<string> {
    const digest = digestOf(bytes);
    const begun = await this.request(`/v2/${repository}/blobs/uploads/`, { method: 'POST', headers });
    const path = `${begun.headers.get('location')}?digest=${digest}`;
    const ended = await this.request(path, { method: 'PUT', body: bytes, headers });
    if (ended.status !== 201) throw new Error(`push of a blob: ${ended.status} ${await ended.text()}`);
    return digest;
  }

  putManifest(
    repository: string,
    reference: string,
    document: object,
    mediaType: string = MEDIA_TYPES.ociManifest,
    headers: Record<string, string> = {},
  ): Promise<Response> {
    return this.request(`/v2/${repository}/manifests/${reference}`, {
      method: 'PUT',
      body: JSON.stringify(document),
      headers: { 'Content-Type': mediaType, ...headers },
    });
  }

  /** Pushes an image with these layers under a tag and returns its document and digest. */
  async pushImage(repository: string, tag: string, layers: readonly Uint8Array[], more: object = {}) {
    const config = new TextEncoder().encode(
      JSON.stringify({ os: 'linux', architecture: 'amd64', layers: layers.length }),
    );
    const descriptor = async (mediaType: string, bytes: Uint8Array) => ({
      mediaType,
      digest: await this.pushBlob(repository, bytes),
      size: bytes.byteLength,
    });
    const document = {
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.ociManifest,
      config: await descriptor(MEDIA_TYPES.ociConfig, config),
      layers: await Promise.all(layers.map((layer) => descriptor(MEDIA_TYPES.ociLayer, layer))),
      ...more,
    };
    const response = await this.putManifest(repository, tag, document);
    if (response.status !== 201)
      throw new Error(`push of an image: ${response.status} ${await response.text()}`);
    const bytes = new TextEncoder().encode(JSON.stringify(document));
    return {
      document,
      bytes,
      digest: digestOf(bytes),
      size: bytes.byteLength,
      mediaType: document.mediaType,
    };
  }
}

const HOUR = 3_600_000;

const DEFAULTS: Omit<RegistrySettings, 'root'> = {
  address: '127.0.0.1:0',
  tlsCertificate: '',
  tlsKey: '',
  htpasswd: '',
  authConfig: '',
  tokenRealm: '',
  tokenService: '',
  tokenIssuer: '',
  tokenKeys: [],
  readOnly: false,
  deletes: true,
  maxUploadSize: Number.MAX_SAFE_INTEGER,
  maxManifestSize: 4 * 1024 * 1024,
  uploadExpiry: 24 * HOUR,
  collectEvery: 0,
  collectGrace: HOUR,
  collectUntagged: false,
  proxies: [],
  proxyCacheSize: 0,
  metricsAddress: '',
  logLevel: 'info',
};
