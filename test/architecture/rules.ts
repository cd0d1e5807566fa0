import type { Import, ImportKind } from './imports.ts';

/**
 * Who may import whom: docs tell it in ARCHITECTURE.md, this table enforces it.
 *
 * A *room* is a folder below `src/` (`engine/` has one for each folder of its own), and `main` is `src/main.ts`.
 * A room lists for each kind of import the rooms it may reach; a value or dynamic import implies the type.
 */
export interface RoomRule {
  readonly value?: readonly string[];
  readonly dynamic?: readonly string[];
  readonly type?: readonly string[];
}

const FORMATS = ['base', 'oci', 'wire'];
const LOWER = [...FORMATS, 'kernel', 'store', 'archive'];
const MECHANISMS = ['content', 'snapshots', 'runtime', 'netdriver', 'registry-client'];
/** All that the engine stands on. Its services know nothing of the API's words: no `wire`. */
const BELOW_ENGINE = [...LOWER.filter((room) => room !== 'wire'), ...MECHANISMS];
const SHELF = ['engine/leases', 'engine/events'];
const PARTS = ['engine/images', 'engine/volumes', 'engine/networks'];
const ENGINE = [...SHELF, ...PARTS, 'engine/containers', 'engine/builder', 'engine/system'];

export const ROOMS: Readonly<Record<string, RoomRule>> = {
  base: {},
  oci: { value: ['base'] },
  wire: { value: ['base', 'oci'] },

  kernel: { value: FORMATS },
  store: { value: FORMATS },
  archive: { value: [...FORMATS, 'kernel'] },

  content: { value: LOWER },
  snapshots: { value: LOWER },
  runtime: { value: LOWER },
  netdriver: { value: LOWER },
  'registry-client': { value: LOWER, type: ['content'] },

  'engine/leases': { value: BELOW_ENGINE },
  'engine/events': { value: BELOW_ENGINE },
  'engine/images': { value: [...BELOW_ENGINE, ...SHELF] },
  'engine/volumes': { value: [...BELOW_ENGINE, ...SHELF] },
  'engine/networks': { value: [...BELOW_ENGINE, ...SHELF] },
  'engine/containers': { value: [...BELOW_ENGINE, ...SHELF, ...PARTS] },
  'engine/builder': { value: [...BELOW_ENGINE, ...SHELF, ...PARTS, 'engine/containers'] },
  'engine/system': { value: BELOW_ENGINE, type: ENGINE },

  buildkit: { value: [...FORMATS, 'archive'], type: ENGINE },
  api: { value: FORMATS, type: [...ENGINE, 'content', 'buildkit'] },
  'registry-server': { value: FORMATS, type: [...ENGINE, 'content'] },

  cli: { value: FORMATS, dynamic: ['archive', 'registry-client'] },
  daemon: { value: [...LOWER, ...MECHANISMS, ...ENGINE, 'buildkit', 'api', 'registry-server'] },
  main: { value: ['cli'], dynamic: ['daemon', 'registry-server'] },
};

/** Files of pure types that more rooms may name than their own room's row says, by `import type` only. */
export const SHARED_TYPES: Readonly<
  Record<string, { readonly rooms: readonly string[]; readonly why: string }>
> = {
  'src/engine/containers/model.ts': {
    rooms: ENGINE,
    why: "a container's row: networks, volumes and events speak of its endpoints and mounts",
  },
};

/** Built-in modules that belong to one room. */
export const GUARDED_MODULES: Readonly<Record<string, string>> = {
  'bun:ffi': 'kernel',
  'bun:sqlite': 'store',
};

/** The room of a path below `src/`; undefined for a file that lies in none (which is a fault). */
export function roomOf(path: string): string | undefined {
  if (path === 'src/main.ts') return 'main';
  const parts = path.split('/');
  if (parts[0] !== 'src' || parts.length < 3) return undefined;
  const name = parts[1] === 'engine' ? `engine/${parts[2]}` : parts[1]!;
  return name in ROOMS ? name : undefined;
}

/** Why an import is forbidden, or undefined. */
export function violation(item: Import): string | undefined {
  const at = `${item.from}:${item.line}`;
  const room = roomOf(item.from);
  if (room === undefined) return `${at}: the file lies in no room of the table`;
  if (item.external) {
    const owner = GUARDED_MODULES[item.to];
    if (owner === undefined || owner === room || item.kind === 'type') return undefined;
    return `${at}: ${item.to} is for ${owner} only`;
  }
  if (!item.to.startsWith('src/'))
    return allowedOutside(item) ? undefined : `${at}: ${item.to} lies outside src/`;
  const target = roomOf(item.to);
  if (target === undefined) return `${at}: ${item.to} lies in no room of the table`;
  if (target === room || mayImport(ROOMS[room]!, target, item.kind)) return undefined;
  if (item.kind === 'type' && SHARED_TYPES[item.to]?.rooms.includes(room)) return undefined;
  return `${at}: ${room} may not import ${target} (${item.kind} import of ${item.to})`;
}

function mayImport(rule: RoomRule, target: string, kind: ImportKind): boolean {
  if (rule.value?.includes(target)) return true;
  if (kind !== 'value' && rule.dynamic?.includes(target)) return true;
  return kind === 'type' && (rule.type?.includes(target) ?? false);
}

/** The program tells its version from package.json; nothing else outside `src/` is part of it. */
function allowedOutside(item: Import): boolean {
  return item.to === 'package.json';
}
