import { TareError } from '../../base/errors.ts';

/** What `--security-opt` asks for. */
export interface SecurityOptions {
  readonly noNewPrivileges: boolean;
  /** undefined: Docker's default; `unconfined`; or the content of a policy file. */
  readonly seccomp: string | undefined;
  /** Profile name, `unconfined`, or undefined for the default. */
  readonly apparmor: string | undefined;
  /** SELinux label parts (`disable`, `type:…`). */
  readonly labels: readonly string[];
  /** No masked and read-only paths. */
  readonly systemPathsUnconfined: boolean;
  readonly writableCgroups: boolean;
}

/** Go's strconv.ParseBool, whose words Docker takes. */
function parseBool(text: string): boolean | undefined {
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(text)) return true;
  if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(text)) return false;
  return undefined;
}

/** Parses `--security-opt` values in Docker's rules and words. Throws `invalid`. */
export function parseSecurityOptions(options: readonly string[]): SecurityOptions {
  let noNewPrivileges = false;
  let seccomp: string | undefined;
  let apparmor: string | undefined;
  let systemPathsUnconfined = false;
  let writableCgroups = false;
  const labels: string[] = [];
  for (const option of options) {
    if (option === 'no-new-privileges') {
      noNewPrivileges = true;
      continue;
    }
    if (option === 'writable-cgroups') {
      writableCgroups = true;
      continue;
    }
    if (option === 'disable') {
      labels.push(option);
      continue;
    }
    const separator = option.includes('=') ? option.indexOf('=') : option.indexOf(':');
    const invalid = (number: 1 | 2): TareError =>
      new TareError('invalid', `invalid --security-opt ${number}: "${option}"`);
    if (separator < 0) throw invalid(1);
    const key = option.slice(0, separator);
    const value = option.slice(separator + 1);
    const flag = (): boolean => {
      const parsed = parseBool(value);
      if (parsed === undefined) throw invalid(2);
      return parsed;
    };
    if (key === 'seccomp') seccomp = value === 'builtin' ? undefined : value;
    else if (key === 'apparmor') apparmor = value;
    else if (key === 'label') labels.push(value);
    else if (key === 'no-new-privileges') noNewPrivileges = flag();
    else if (key === 'writable-cgroups') writableCgroups = flag();
    else if (key === 'systempaths' && value === 'unconfined') systemPathsUnconfined = true;
    else throw invalid(2);
  }
  return { noNewPrivileges, seccomp, apparmor, labels, systemPathsUnconfined, writableCgroups };
}
