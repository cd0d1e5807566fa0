import type { RegistrySettings } from '../../../wire/registry-settings.ts';
import type { FlagValues } from '../../command.ts';
import { flag, withInitial } from '../../flags/flag.ts';
import { bytes, duration, list, text, textOr, toggle } from '../../flags/kinds.ts';

const HOUR = 3600e9;
const NANOSECONDS_PER_MILLISECOND = 1e6;

/** Of all commands that work on a registry's root. */
export const ROOT_FLAGS = {
  root: flag(textOr('/var/lib/tare/registry'), { help: 'Folder of the registry' }),
  'gc-grace': flag(withInitial(duration, HOUR, '1h'), { help: 'Collect only what is older' }),
  'gc-untagged': flag(toggle, { help: 'Collect manifests without a tag too' }),
} as const;

export const SERVE_FLAGS = {
  ...ROOT_FLAGS,
  addr: flag(textOr('127.0.0.1:5000'), { help: 'Address to listen on, HOST:PORT or :PORT' }),
  'auth-config': flag(text, {
    help: 'JSON file of the rights of users by repository, reread when it changes',
  }),
  delete: flag(toggle, { help: 'Allow deletion of tags, manifests and blobs' }),
  engine: flag(toggle, {
    help: 'Serve the images of the running daemon instead of a folder, read-only; of the other flags it takes address, TLS, htpasswd and auth-config',
  }),
  'gc-interval': flag(withInitial(duration, 6 * HOUR, '6h'), {
    help: 'Time between garbage collections (0: only when asked)',
  }),
  htpasswd: flag(text, { help: 'File of users with bcrypt hashes, reread when it changes' }),
  'log-level': flag(textOr('info'), { short: 'l', help: 'debug, info, warn, error or fatal' }),
  'max-manifest-size': flag(withInitial(bytes, 4 * 1024 ** 2, '4MiB'), {
    help: 'Largest manifest, at most 4 MiB',
  }),
  'max-upload-size': flag(bytes, { help: 'Largest blob (0: any)' }),
  'metrics-addr': flag(text, { help: 'Address of Prometheus metrics (/metrics)' }),
  proxy: flag(list(), {
    help: 'Pull-through cache of another registry, HOST=URL, as HOST/REPOSITORY or for ?ns=HOST',
  }),
  'proxy-cache-size': flag(bytes, {
    help: 'Most that the caches of --proxy take together; what was asked for the longest ago goes (0: any)',
  }),
  'read-only': flag(toggle, { help: 'Refuse pushes and deletions' }),
  'tls-cert': flag(text, { help: 'PEM certificate, with those of its issuers' }),
  'tls-key': flag(text, { help: 'PEM private key' }),
  'token-issuer': flag(text, { help: 'Issuer that tokens must name' }),
  'token-key': flag(list(), { help: 'File of public keys that tokens are signed with (PEM or JWK set)' }),
  'token-realm': flag(text, { help: 'URL of the token server' }),
  'token-service': flag(text, { help: 'Service (audience) that tokens must name' }),
  'upload-expiry': flag(withInitial(duration, 24 * HOUR, '24h'), {
    help: 'Forget uploads that nobody went on with for so long',
  }),
} as const;

/** The settings that the flags say. */
export function settingsOf(flags: FlagValues<typeof SERVE_FLAGS>): RegistrySettings {
  return {
    ...rootSettingsOf(flags),
    address: flags.addr,
    tlsCertificate: flags['tls-cert'],
    tlsKey: flags['tls-key'],
    htpasswd: flags.htpasswd,
    authConfig: flags['auth-config'],
    tokenRealm: flags['token-realm'],
    tokenService: flags['token-service'],
    tokenIssuer: flags['token-issuer'],
    tokenKeys: flags['token-key'],
    readOnly: flags['read-only'],
    deletes: flags.delete,
    maxUploadSize: flags['max-upload-size'] || Number.MAX_SAFE_INTEGER,
    maxManifestSize: flags['max-manifest-size'],
    uploadExpiry: flags['upload-expiry'] / NANOSECONDS_PER_MILLISECOND,
    collectEvery: flags['gc-interval'] / NANOSECONDS_PER_MILLISECOND,
    proxies: flags.proxy,
    proxyCacheSize: flags['proxy-cache-size'],
    metricsAddress: flags['metrics-addr'],
    logLevel: flags['log-level'],
  };
}

/** The part of the settings that is about the root. */
export function rootSettingsOf(flags: FlagValues<typeof ROOT_FLAGS>) {
  return {
    root: flags.root,
    collectGrace: flags['gc-grace'] / NANOSECONDS_PER_MILLISECOND,
    collectUntagged: flags['gc-untagged'],
  };
}
