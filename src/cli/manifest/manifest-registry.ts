import { isKind } from '../../base/errors.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { isIndexType, parseManifest } from '../../oci/manifest.ts';
import {
  canonicalString,
  familiarName,
  type Reference,
  withDigest,
  withoutTag,
} from '../../oci/reference.ts';
import type { RegistryClient } from '../../registry-client/client.ts';
import type { RegistryCredentials, RepositoryPush } from '../../registry-client/registry-client.ts';
import type { CommandContext } from '../context.ts';
import { CommandFailure } from '../failure.ts';
import { openRegistries } from '../open-registries.ts';
import { repositoryCredentials } from '../registry-auth.ts';
import { bytesOf, type StoredManifest, storedManifest } from './stored-manifest.ts';

/** What a reference names in its registry. */
export type RemoteManifest =
  | { readonly kind: 'image'; readonly manifest: StoredManifest }
  | { readonly kind: 'list'; readonly entries: readonly Descriptor[] };

/**
 * Registries as the manifest commands see them: this client asks them itself, with the user's credentials and
 * without the daemon, as docker's does.
 */
export class ManifestRegistry {
  readonly #context: CommandContext;
  readonly #insecure: boolean;
  readonly #credentials = new Map<string, Promise<RegistryCredentials>>();
  #client: Promise<RegistryClient> | undefined;

  /** @param insecure certificates are not verified, and plain http will do */
  constructor(context: CommandContext, insecure: boolean) {
    this.#context = context;
    this.#insecure = insecure;
  }

  /** What a reference names. @throws CommandFailure in docker's words when there is no such manifest */
  async get(ref: Reference): Promise<RemoteManifest> {
    const client = await this.#open(ref);
    try {
      const found = await client.inspect(ref, await this.#options(ref));
      if (isIndexType(found.descriptor.mediaType)) {
        const parsed = parseManifest(found.bytes, found.descriptor.mediaType);
        return { kind: 'list', entries: parsed.kind === 'index' ? parsed.index.manifests : [] };
      }
      const [platform] = found.platforms;
      const descriptor = { ...found.descriptor, ...(platform === undefined ? {} : { platform }) };
      return { kind: 'image', manifest: storedManifest(canonicalString(ref), descriptor, found.bytes) };
    } catch (error) {
      if (isKind(error, 'not-found')) throw new CommandFailure(`no such manifest: ${canonicalString(ref)}`);
      throw error;
    }
  }

  /** An image's manifest. @throws CommandFailure in docker's words for a list */
  async image(ref: Reference): Promise<StoredManifest> {
    const found = await this.get(ref);
    if (found.kind === 'image') return found.manifest;
    throw new CommandFailure(`${canonicalString(ref)} is a manifest list`);
  }

  /** An entry of the list that `ref` names; its platform is the one that the list says. */
  async entry(ref: Reference, entry: Descriptor): Promise<StoredManifest> {
    const manifest = await this.image(withDigest(ref, entry.digest));
    const { Descriptor } = manifest;
    const { platform = Descriptor.platform } = entry;
    const descriptor = { ...Descriptor, ...(platform === undefined ? {} : { platform }) };
    // Docker names such an entry by tag and digest.
    return storedManifest(`${canonicalString(ref)}@${entry.digest}`, descriptor, bytesOf(manifest));
  }

  /** Opens a repository for writing. */
  async push(ref: Reference): Promise<RepositoryPush> {
    const client = await this.#open(ref);
    return await client.openPush(ref, await this.#options(ref));
  }

  async #options(ref: Reference): Promise<{ auth: RegistryCredentials; signal: AbortSignal }> {
    // A command that is interrupted ends with the program.
    return { auth: await this.#auth(ref), signal: new AbortController().signal };
  }

  #auth(ref: Reference): Promise<RegistryCredentials> {
    const known = this.#credentials.get(ref.domain);
    if (known !== undefined) return known;
    const found = readCredentials(this.#context, familiarName(ref));
    this.#credentials.set(ref.domain, found);
    return found;
  }

  #open(ref: Reference): Promise<RegistryClient> {
    this.#client ??= openRegistries(this.#context, this.#insecure ? [ref.domain] : []);
    return this.#client;
  }
}

async function readCredentials(context: CommandContext, repository: string): Promise<RegistryCredentials> {
  const { username, password, identitytoken, registrytoken } = await repositoryCredentials(
    context,
    repository,
  );
  return {
    ...(username ? { username } : {}),
    ...(password ? { password } : {}),
    ...(identitytoken ? { identityToken: identitytoken } : {}),
    ...(registrytoken ? { registryToken: registrytoken } : {}),
  };
}

/**
 * Brings an image's manifest, with its blobs, from another repository of the same registry into `target`.
 * @returns the manifest's digest
 * @throws CommandFailure in docker's words when the registry does not mount a blob
 */
export async function mountImage(
  push: RepositoryPush,
  from: Reference,
  image: StoredManifest,
): Promise<string> {
  const { mediaType, digest } = image.Descriptor;
  const bytes = bytesOf(image);
  const parsed = parseManifest(bytes, mediaType);
  if (parsed.kind !== 'manifest') throw new CommandFailure(`${image.Ref} is a manifest list`);
  const { config, layers } = parsed.manifest;
  for (const blob of new Map([config, ...layers].map((one) => [one.digest, one])).values()) {
    await push.blob({
      key: blob.digest,
      known: () => [blob],
      mountFrom: () => [from.path],
      open() {
        const name = canonicalString(withDigest(withoutTag(from), blob.digest));
        throw new CommandFailure(`error mounting ${name}: push the image to the list's repository first`);
      },
      report() {},
    });
  }
  await push.manifest(digest, mediaType, bytes);
  return digest;
}
