import { TareError } from '../../base/errors.ts';
import type { OciSeccomp, OciSyscallArgument, OciSyscallRule } from './oci-spec.ts';
import { DEFAULT_RULES, type SeccompRule } from './seccomp-default.ts';

/** What the conditions of a policy ask about. */
export interface SeccompFacts {
  /** The container's capabilities, `CAP_…`. */
  readonly capabilities: readonly string[];
  /** Docker's name of the architecture: `amd64`, `arm64`. */
  readonly architecture: string;
  /** The kernel's release, `6.1.0-13-amd64`. */
  readonly kernelRelease: string;
}

/** The native architecture and those whose calls the kernel takes as well, in libseccomp's names. */
const ARCHITECTURES: Readonly<Record<string, readonly string[]>> = {
  amd64: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'],
  arm64: ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM'],
  riscv64: ['SCMP_ARCH_RISCV64'],
};

function kernelVersion(release: string): readonly [number, number] {
  const [major, minor] = release.split('.').map((part) => Number.parseInt(part, 10));
  return [major ?? 0, minor ?? 0];
}

function atLeast(release: string, wanted: readonly [number, number]): boolean {
  const [major, minor] = kernelVersion(release);
  return major > wanted[0] || (major === wanted[0] && minor >= wanted[1]);
}

function applies(rule: SeccompRule, facts: SeccompFacts): boolean {
  const { architectures, capability, withoutCapability, kernel } = rule;
  if (architectures && !architectures.includes(facts.architecture)) return false;
  if (capability !== undefined && !facts.capabilities.includes(capability)) return false;
  if (withoutCapability !== undefined && facts.capabilities.includes(withoutCapability)) return false;
  return kernel === undefined || atLeast(facts.kernelRelease, kernel);
}

function toOci(rule: SeccompRule): OciSyscallRule {
  const { argument, errno, calls } = rule;
  return {
    names: calls.split(' '),
    action: errno === undefined ? 'SCMP_ACT_ALLOW' : 'SCMP_ACT_ERRNO',
    ...(errno !== undefined && { errnoRet: errno }),
    ...(argument && {
      args: [
        {
          index: 0,
          value: argument.value,
          ...(argument.valueTwo !== undefined && { valueTwo: argument.valueTwo }),
          op: argument.operator,
        },
      ],
    }),
  };
}

/** The same object for the same facts, so that what is compiled from it can be found again. */
const known = new Map<string, OciSeccomp>();

/** Docker's default policy for a container with these capabilities. */
export function defaultSeccomp(facts: SeccompFacts): OciSeccomp {
  const rules = DEFAULT_RULES.filter((rule) => applies(rule, facts));
  const key = `${facts.architecture} ${DEFAULT_RULES.map((rule) => (rules.includes(rule) ? '1' : '0')).join('')}`;
  let policy = known.get(key);
  if (!policy) {
    policy = {
      defaultAction: 'SCMP_ACT_ERRNO',
      defaultErrnoRet: 1,
      architectures: ARCHITECTURES[facts.architecture] ?? [],
      syscalls: rules.map(toOci),
    };
    known.set(key, policy);
  }
  return policy;
}

const profiles = new Map<string, OciSeccomp>();

/**
 * Evaluates a policy file in Docker's format (`--security-opt seccomp=FILE`; clients send its content) for a
 * container. Throws `invalid` in Docker's words.
 */
export function loadSeccomp(json: string, facts: SeccompFacts): OciSeccomp {
  const key = `${facts.capabilities.join(',')}\n${json}`;
  const before = profiles.get(key);
  if (before) return before;
  const policy = new ProfileReader(facts).read(parseObject(json));
  if (profiles.size >= 64) profiles.clear();
  profiles.set(key, policy);
  return policy;
}

type Fields = Readonly<Record<string, unknown>>;

function fail(why: string): TareError {
  return new TareError('invalid', `Decoding seccomp profile failed: ${why}`);
}

function parseObject(json: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    throw fail(error instanceof Error ? error.message : String(error));
  }
  return object(value, 'profile');
}

function object(value: unknown, what: string): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw fail(`${what} is not an object`);
}

function strings(value: unknown, what: string): string[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value) && value.every((entry): entry is string => typeof entry === 'string'))
    return value;
  throw fail(`${what} is not a list of strings`);
}

function list(value: unknown, what: string): unknown[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value;
  throw fail(`${what} is not a list`);
}

/** Turns Docker's format, with its conditions, into OCI's. */
class ProfileReader {
  readonly #facts: SeccompFacts;

  constructor(facts: SeccompFacts) {
    this.#facts = facts;
  }

  read(profile: Fields): OciSeccomp {
    const { defaultAction, defaultErrnoRet } = profile;
    if (typeof defaultAction !== 'string') throw fail('defaultAction is missing');
    const flags = strings(profile.flags, 'flags');
    const syscalls = list(profile.syscalls, 'syscalls')
      .map((entry) => object(entry, 'a rule'))
      .filter((rule) => this.#applies(rule))
      .map((rule) => this.#rule(rule));
    return {
      defaultAction,
      ...(typeof defaultErrnoRet === 'number' && { defaultErrnoRet }),
      architectures: this.#architectures(profile),
      ...(flags.length > 0 && { flags }),
      ...(syscalls.length > 0 && { syscalls }),
    };
  }

  #architectures(profile: Fields): readonly string[] {
    const plain = strings(profile.architectures, 'architectures');
    const map = list(profile.archMap, 'archMap').map((entry) => object(entry, 'archMap'));
    if (plain.length > 0) {
      if (map.length > 0) {
        throw new TareError(
          'invalid',
          "both 'architectures' and 'archMap' are specified in the seccomp profile, use either 'architectures' or 'archMap'",
        );
      }
      return plain;
    }
    const native = ARCHITECTURES[this.#facts.architecture]?.[0];
    const mine = map.find((entry) => entry.architecture === native);
    return mine && native ? [native, ...strings(mine.subArchitectures, 'subArchitectures')] : [];
  }

  #applies(rule: Fields): boolean {
    const { architecture, capabilities, kernelRelease } = this.#facts;
    if (rule.includes !== undefined && rule.includes !== null) {
      const includes = object(rule.includes, 'includes');
      const arches = strings(includes.arches, 'arches');
      if (arches.length > 0 && !arches.includes(architecture)) return false;
      if (!strings(includes.caps, 'caps').every((name) => capabilities.includes(name))) return false;
      if (
        typeof includes.minKernel === 'string' &&
        !atLeast(kernelRelease, kernelVersion(includes.minKernel))
      ) {
        return false;
      }
    }
    if (rule.excludes !== undefined && rule.excludes !== null) {
      const excludes = object(rule.excludes, 'excludes');
      if (strings(excludes.arches, 'arches').includes(architecture)) return false;
      if (strings(excludes.caps, 'caps').some((name) => capabilities.includes(name))) return false;
      if (
        typeof excludes.minKernel === 'string' &&
        atLeast(kernelRelease, kernelVersion(excludes.minKernel))
      ) {
        return false;
      }
    }
    return true;
  }

  #rule(rule: Fields): OciSyscallRule {
    const names = strings(rule.names, 'names');
    if (typeof rule.name === 'string' && rule.name !== '') {
      if (names.length > 0) {
        throw new TareError(
          'invalid',
          "both 'name' and 'names' are specified in the seccomp profile, use either 'name' or 'names'",
        );
      }
      names.push(rule.name);
    }
    if (typeof rule.action !== 'string') throw fail('a rule has no action');
    const args = list(rule.args, 'args').map((entry) => this.#argument(object(entry, 'an argument')));
    return {
      names,
      action: rule.action,
      ...(typeof rule.errnoRet === 'number' && { errnoRet: rule.errnoRet }),
      ...(args.length > 0 && { args }),
    };
  }

  #argument(fields: Fields): OciSyscallArgument {
    const { index, value, valueTwo, op } = fields;
    if (typeof index !== 'number' || typeof value !== 'number' || typeof op !== 'string') {
      throw fail('an argument needs index, value and op');
    }
    return { index, value, ...(typeof valueTwo === 'number' && { valueTwo }), op };
  }
}
