import type { Lookup } from './dockerfile/expand.ts';

/** Arguments that every RUN has although no ARG names them, and that no cache key holds, as BuildKit has it. */
const PROXIES = ['HTTP_PROXY', 'HTTPS_PROXY', 'FTP_PROXY', 'NO_PROXY', 'ALL_PROXY'].flatMap((name) => [
  name,
  name.toLowerCase(),
]);

/** The variables of one stage: ENV wins over ARG, ARG counts from where it stands. */
export class Scope {
  readonly #given: Readonly<Record<string, string | null>>;
  readonly #platform: Readonly<Record<string, string>>;
  readonly #globals: ReadonlyMap<string, string | undefined>;
  readonly #args = new Map<string, string>();
  #env = new Map<string, string>();

  constructor(
    given: Readonly<Record<string, string | null>>,
    platform: Readonly<Record<string, string>>,
    globals: ReadonlyMap<string, string | undefined>,
  ) {
    this.#given = given;
    this.#platform = platform;
    this.#globals = globals;
  }

  /** `KEY=value` entries of the image as it is now. */
  setEnvironment(env: readonly string[]): void {
    this.#env = new Map(
      env.map((entry) => [entry.split('=', 1)[0] ?? '', entry.slice(entry.indexOf('=') + 1)]),
    );
  }

  /** An ARG: what was given counts, then its own default, then that of a global ARG of the same name. */
  declare(name: string, fallback: string | undefined): void {
    const value =
      this.#given[name] ?? fallback ?? this.#globals.get(name) ?? this.#platform[name] ?? undefined;
    if (value === undefined) this.#args.delete(name);
    else this.#args.set(name, value);
  }

  readonly lookup: Lookup = (name) => this.#env.get(name) ?? this.#args.get(name);

  /** What RUN has besides the image's environment. */
  runEnvironment(): string[] {
    const own = [...this.#args].filter(([name]) => !this.#env.has(name));
    return [...own.map(([name, value]) => `${name}=${value}`), ...this.#proxies()];
  }

  /** What of it decides whether a RUN can be taken from the cache. */
  keyEnvironment(): string[] {
    return [...this.#args]
      .filter(([name]) => !this.#env.has(name) && !PROXIES.includes(name))
      .map(([name, value]) => `${name}=${value}`)
      .sort();
  }

  #proxies(): string[] {
    return PROXIES.flatMap((name) => {
      const value = this.#given[name];
      return typeof value === 'string' && !this.#args.has(name) ? [`${name}=${value}`] : [];
    });
  }
}

/** The platform's arguments, for a machine that builds for itself only. */
export function platformArguments(platform: {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}): Record<string, string> {
  const { os, architecture, variant = '' } = platform;
  const whole = [os, architecture, ...(variant === '' ? [] : [variant])].join('/');
  return Object.fromEntries(
    ['TARGET', 'BUILD'].flatMap((side) => [
      [`${side}PLATFORM`, whole],
      [`${side}OS`, os],
      [`${side}ARCH`, architecture],
      [`${side}VARIANT`, variant],
    ]),
  );
}
