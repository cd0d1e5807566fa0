import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { TareError } from '../../../base/errors.ts';
import { codeOf, fromNodeError } from '../../../kernel/errno.ts';

/** Where dockerd looks for plugins that are started by others. */
export const PLUGIN_FOLDERS: readonly string[] = [
  '/run/docker/plugins',
  '/etc/docker/plugins',
  '/usr/lib/docker/plugins',
];

/** Where a plugin listens. */
export interface PluginAddress {
  /** `http://plugin` for a unix socket. */
  readonly origin: string;
  readonly unix?: string;
  readonly tls?: {
    readonly rejectUnauthorized: boolean;
    readonly ca?: string;
    readonly cert?: string;
    readonly key?: string;
  };
}

/**
 * Names of all plugins that announce themselves in the folders: sockets (`NAME.sock`, `NAME/NAME.sock`) and files that
 * name an address (`NAME.spec`, `NAME.json`). Folders that are not there are fine.
 */
export function pluginNames(folders: readonly string[]): string[] {
  const names = new Set<string>();
  for (const folder of folders) {
    let entries: string[];
    try {
      entries = readdirSync(folder);
    } catch (error) {
      if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') continue;
      throw fromNodeError(error, `looking for plugins in ${folder}`);
    }
    for (const entry of entries) {
      const file = /^(.+)\.(sock|spec|json)$/.exec(entry);
      if (file?.[1]) names.add(file[1]);
      else if (existsSync(join(folder, entry, `${entry}.sock`))) names.add(entry);
    }
  }
  return [...names].sort();
}

/** Where the plugin of a name listens; sockets go before files. Undefined: there is none. Throws `invalid`. */
export function findPlugin(folders: readonly string[], name: string): PluginAddress | undefined {
  // A name is part of a path here.
  if (name !== basename(name) || name.startsWith('.')) return undefined;
  for (const folder of folders) {
    for (const path of [join(folder, `${name}.sock`), join(folder, name, `${name}.sock`)]) {
      if (existsSync(path)) return { origin: 'http://plugin', unix: path };
    }
  }
  for (const folder of folders) {
    const spec = join(folder, `${name}.spec`);
    if (existsSync(spec)) return parseAddress(readFileSync(spec, 'utf8').trim(), spec);
    const json = join(folder, `${name}.json`);
    if (existsSync(json)) return readJson(json);
  }
  return undefined;
}

function parseAddress(text: string, file: string): PluginAddress {
  if (/^unix:\/\/\/./.test(text)) return { origin: 'http://plugin', unix: text.slice('unix://'.length) };
  const rest = /^(?:tcp|http):\/\/([^/]+)\/?$/.exec(text)?.[1];
  if (rest !== undefined) return { origin: `http://${rest}` };
  const secure = /^https:\/\/([^/]+)\/?$/.exec(text)?.[1];
  if (secure !== undefined) return { origin: `https://${secure}` };
  throw new TareError('invalid', `${file}: "${text}" is no address: use unix:///PATH or tcp://HOST:PORT`);
}

interface JsonSpec {
  readonly Addr?: string;
  readonly TLSConfig?: {
    readonly InsecureSkipVerify?: boolean;
    readonly CAFile?: string;
    readonly CertFile?: string;
    readonly KeyFile?: string;
  };
}

function readJson(file: string): PluginAddress {
  let spec: JsonSpec;
  try {
    spec = JSON.parse(readFileSync(file, 'utf8')) as JsonSpec;
  } catch (error) {
    throw new TareError('invalid', `${file}: it must hold a JSON object with "Addr"`, error);
  }
  const address = parseAddress(spec.Addr ?? '', file);
  const tls = spec.TLSConfig;
  if (tls === undefined || address.unix !== undefined) return address;
  const read = (path: string | undefined) => (path ? readFileSync(path, 'utf8') : undefined);
  const [ca, cert, key] = [read(tls.CAFile), read(tls.CertFile), read(tls.KeyFile)];
  return {
    origin: address.origin.replace(/^http:/, 'https:'),
    tls: {
      rejectUnauthorized: !tls.InsecureSkipVerify,
      ...(ca !== undefined && { ca }),
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
    },
  };
}
