import manifest from '../../package.json' with { type: 'json' };

/** Filled in by scripts/build.ts; absent when the sources run as they are. */
declare const TARE_BUILD_COMMIT: string | undefined;
declare const TARE_BUILD_TIME: string | undefined;

export interface BuildVersion {
  readonly version: string;
  /** Short git commit, `unknown` outside of a build. */
  readonly commit: string;
  /** RFC 3339 or empty. */
  readonly time: string;
}

/** Which Tare this is. */
export function buildVersion(): BuildVersion {
  return {
    version: manifest.version,
    commit: typeof TARE_BUILD_COMMIT === 'string' ? TARE_BUILD_COMMIT : 'unknown',
    time: typeof TARE_BUILD_TIME === 'string' ? TARE_BUILD_TIME : '',
  };
}
