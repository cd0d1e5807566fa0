import type { Command } from './command.ts';

/** Loads a command's file. */
export type CommandLoader = () => Promise<{ readonly command: Command }>;

export interface Noun {
  readonly summary: string;
  readonly verbs: Readonly<Record<string, CommandLoader>>;
  /** Other names of verbs. */
  readonly aliases: Readonly<Record<string, string>>;
}

/** The nouns and their verbs. `tare NOUN VERB`. */
export const NOUNS: Readonly<Record<string, Noun>> = {
  builder: {
    summary: 'Manage builds',
    verbs: {
      build: () => import('./commands/image/build.ts'),
      cache: () => import('./commands/builder/cache.ts'),
      du: () => import('./commands/builder/du.ts'),
      prune: () => import('./commands/builder/prune.ts'),
    },
    aliases: {},
  },
  container: {
    summary: 'Manage containers',
    verbs: {
      attach: () => import('./commands/container/attach.ts'),
      commit: () => import('./commands/container/commit.ts'),
      cp: () => import('./commands/container/cp.ts'),
      create: () => import('./commands/container/create.ts'),
      diff: () => import('./commands/container/diff.ts'),
      exec: () => import('./commands/container/exec.ts'),
      export: () => import('./commands/container/export.ts'),
      inspect: () => import('./commands/container/inspect.ts'),
      kill: () => import('./commands/container/kill.ts'),
      logs: () => import('./commands/container/logs.ts'),
      ls: () => import('./commands/container/ls.ts'),
      pause: () => import('./commands/container/pause.ts'),
      port: () => import('./commands/container/port.ts'),
      prune: () => import('./commands/container/prune.ts'),
      rename: () => import('./commands/container/rename.ts'),
      restart: () => import('./commands/container/restart.ts'),
      rm: () => import('./commands/container/rm.ts'),
      run: () => import('./commands/container/run.ts'),
      start: () => import('./commands/container/start.ts'),
      stats: () => import('./commands/container/stats.ts'),
      stop: () => import('./commands/container/stop.ts'),
      top: () => import('./commands/container/top.ts'),
      unpause: () => import('./commands/container/unpause.ts'),
      update: () => import('./commands/container/update.ts'),
      wait: () => import('./commands/container/wait.ts'),
    },
    aliases: { list: 'ls', ps: 'ls', remove: 'rm' },
  },
  image: {
    summary: 'Manage images',
    verbs: {
      build: () => import('./commands/image/build.ts'),
      history: () => import('./commands/image/history.ts'),
      import: () => import('./commands/image/import.ts'),
      inspect: () => import('./commands/image/inspect.ts'),
      load: () => import('./commands/image/load.ts'),
      ls: () => import('./commands/image/ls.ts'),
      mount: () => import('./commands/image/mount.ts'),
      prune: () => import('./commands/image/prune.ts'),
      pull: () => import('./commands/image/pull.ts'),
      push: () => import('./commands/image/push.ts'),
      rm: () => import('./commands/image/rm.ts'),
      save: () => import('./commands/image/save.ts'),
      tag: () => import('./commands/image/tag.ts'),
      unmount: () => import('./commands/image/unmount.ts'),
    },
    aliases: { list: 'ls', remove: 'rm', umount: 'unmount' },
  },
  manifest: {
    summary: 'Manage image manifests and lists of them in registries',
    verbs: {
      annotate: () => import('./commands/manifest/annotate.ts'),
      create: () => import('./commands/manifest/create.ts'),
      inspect: () => import('./commands/manifest/inspect.ts'),
      push: () => import('./commands/manifest/push.ts'),
      rm: () => import('./commands/manifest/rm.ts'),
    },
    aliases: { remove: 'rm' },
  },
  network: {
    summary: 'Manage networks',
    verbs: {
      connect: () => import('./commands/network/connect.ts'),
      create: () => import('./commands/network/create.ts'),
      disconnect: () => import('./commands/network/disconnect.ts'),
      explain: () => import('./commands/network/explain.ts'),
      inspect: () => import('./commands/network/inspect.ts'),
      ls: () => import('./commands/network/ls.ts'),
      prune: () => import('./commands/network/prune.ts'),
      rm: () => import('./commands/network/rm.ts'),
    },
    aliases: { list: 'ls', remove: 'rm' },
  },
  registry: {
    summary: 'Run a registry',
    verbs: {
      gc: () => import('./commands/registry/gc.ts'),
      serve: () => import('./commands/registry/serve.ts'),
    },
    aliases: {},
  },
  system: {
    summary: 'Manage the daemon',
    verbs: {
      check: () => import('./commands/system/check.ts'),
      df: () => import('./commands/system/df.ts'),
      events: () => import('./commands/system/events.ts'),
      info: () => import('./commands/system/info.ts'),
      prune: () => import('./commands/system/prune.ts'),
    },
    aliases: {},
  },
  volume: {
    summary: 'Manage volumes',
    verbs: {
      clone: () => import('./commands/volume/clone.ts'),
      create: () => import('./commands/volume/create.ts'),
      export: () => import('./commands/volume/export.ts'),
      import: () => import('./commands/volume/import.ts'),
      inspect: () => import('./commands/volume/inspect.ts'),
      ls: () => import('./commands/volume/ls.ts'),
      prune: () => import('./commands/volume/prune.ts'),
      rename: () => import('./commands/volume/rename.ts'),
      rm: () => import('./commands/volume/rm.ts'),
      update: () => import('./commands/volume/update.ts'),
    },
    aliases: { list: 'ls', remove: 'rm' },
  },
};

/** Commands without a noun. */
export const TOP: Readonly<Record<string, CommandLoader>> = {
  completion: () => import('./commands/top/completion.ts'),
  inspect: () => import('./commands/top/inspect.ts'),
  login: () => import('./commands/top/login.ts'),
  logout: () => import('./commands/top/logout.ts'),
  search: () => import('./commands/top/search.ts'),
  version: () => import('./commands/top/version.ts'),
};

/** Short forms: name → noun and verb. */
export const SHORT_FORMS: Readonly<Record<string, readonly [noun: string, verb: string]>> = {
  attach: ['container', 'attach'],
  build: ['image', 'build'],
  commit: ['container', 'commit'],
  cp: ['container', 'cp'],
  create: ['container', 'create'],
  diff: ['container', 'diff'],
  events: ['system', 'events'],
  exec: ['container', 'exec'],
  export: ['container', 'export'],
  history: ['image', 'history'],
  images: ['image', 'ls'],
  import: ['image', 'import'],
  info: ['system', 'info'],
  kill: ['container', 'kill'],
  load: ['image', 'load'],
  logs: ['container', 'logs'],
  pause: ['container', 'pause'],
  port: ['container', 'port'],
  ps: ['container', 'ls'],
  pull: ['image', 'pull'],
  push: ['image', 'push'],
  rename: ['container', 'rename'],
  restart: ['container', 'restart'],
  rm: ['container', 'rm'],
  rmi: ['image', 'rm'],
  run: ['container', 'run'],
  save: ['image', 'save'],
  start: ['container', 'start'],
  stats: ['container', 'stats'],
  stop: ['container', 'stop'],
  tag: ['image', 'tag'],
  top: ['container', 'top'],
  unpause: ['container', 'unpause'],
  update: ['container', 'update'],
  wait: ['container', 'wait'],
};

/** The short forms that help shows first. */
export const COMMON = ['run', 'exec', 'ps', 'build', 'pull', 'images', 'version', 'info'] as const;

/** Every name that may stand first on a command line, `daemon` included. */
export function topNames(): string[] {
  return [...Object.keys(NOUNS), ...Object.keys(TOP), ...Object.keys(SHORT_FORMS), 'daemon'].sort();
}

function own<T>(table: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}

/** Where the words of a command line lead. */
export type Route =
  | { readonly kind: 'command'; readonly load: CommandLoader; readonly words: number; readonly path: string }
  | { readonly kind: 'noun'; readonly name: string; readonly noun: Noun }
  | { readonly kind: 'unknown'; readonly name: string; readonly noun?: string };

/** Finds the command for the first words; `path` is its place in the tree, `container/ls`. */
export function route(first: string, second: string | undefined): Route {
  const short = own(SHORT_FORMS, first);
  if (short !== undefined) {
    const [noun, verb] = short;
    return { kind: 'command', load: NOUNS[noun]!.verbs[verb]!, words: 1, path: `${noun}/${verb}` };
  }
  const top = own(TOP, first);
  if (top !== undefined) return { kind: 'command', load: top, words: 1, path: first };
  const noun = own(NOUNS, first);
  if (noun === undefined) return { kind: 'unknown', name: first };
  if (second === undefined || second.startsWith('-')) return { kind: 'noun', name: first, noun };
  const verb = own(noun.aliases, second) ?? second;
  const load = own(noun.verbs, verb);
  if (load === undefined) return { kind: 'unknown', name: second, noun: first };
  return { kind: 'command', load, words: 2, path: `${first}/${verb}` };
}

/** All full names of the command at `path`, as help lists them: `tare container ls, tare ps`. */
export function namesOf(path: string, program: string): string[] {
  const [nounName, verb] = path.split('/') as [string, string | undefined];
  if (verb === undefined) return [`${program} ${nounName}`];
  const names = [`${program} ${nounName} ${verb}`];
  for (const [alias, target] of Object.entries(NOUNS[nounName]!.aliases)) {
    if (target === verb) names.push(`${program} ${nounName} ${alias}`);
  }
  for (const [short, [noun, target]] of Object.entries(SHORT_FORMS)) {
    if (noun === nounName && target === verb) names.push(`${program} ${short}`);
  }
  return names;
}
