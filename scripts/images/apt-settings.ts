/**
 * How this machine gets Debian packages, read from apt when it is needed: a container that is to install
 * packages needs the same mirror, and the proxy and certificate settings if there are some. No address of it is
 * ever written into the repository.
 */
import { readFileSync } from 'node:fs';
import { must } from '../../test/support/command.ts';

/** Debian's release that test images are made of. */
export const SUITE = 'bookworm';

export interface AptSettings {
  /** Base URL of the Debian archive. */
  readonly mirror: string;
  /** Lines for /etc/apt/sources.list. */
  readonly sources: string;
  /** Lines for /etc/apt/apt.conf.d; may be empty. */
  readonly configuration: string;
}

interface Target {
  readonly uri: string;
  readonly release: string;
}

/**
 * The settings for Debian `suite`. Throws with what to do when apt has no Debian source; `TARE_TEST_DEBIAN_MIRROR`
 * names one by hand.
 */
export async function readAptSettings(suite = SUITE): Promise<AptSettings> {
  const targets = await readTargets();
  const codename = hostCodename();
  const find = (suffix: string) =>
    targets.find((target) => target.release === suite + suffix) ??
    targets.find((target) => target.release === codename + suffix && isDebian());
  const mirror = process.env.TARE_TEST_DEBIAN_MIRROR ?? find('')?.uri;
  if (mirror === undefined) {
    throw new Error('apt knows no Debian archive here; set TARE_TEST_DEBIAN_MIRROR to the URL of one');
  }
  const lines = [`deb ${mirror} ${suite} main`];
  for (const suffix of ['-updates', '-security']) {
    const target = find(suffix);
    if (target !== undefined) lines.push(`deb ${target.uri} ${suite}${suffix} main`);
  }
  return { mirror, sources: `${lines.join('\n')}\n`, configuration: await readConfiguration() };
}

async function readTargets(): Promise<Target[]> {
  const format = '$(REPO_URI)|$(RELEASE)|$(COMPONENT)';
  const text = await must(['apt-get', 'indextargets', '--format', format, 'Created-By: Packages']);
  return text.split('\n').flatMap((line) => {
    const [uri = '', release = '', component] = line.split('|');
    return component === 'main' ? [{ uri: uri.replace(/\/+$/, ''), release }] : [];
  });
}

/** Proxies and certificate rules, as apt prints them itself. */
async function readConfiguration(): Promise<string> {
  const wanted = /^Acquire::(?:https?|ftp)(?:::\S+)?::(?:Proxy|CaInfo|CAPath|Verify-Peer|Verify-Host)\b.*;$/i;
  const lines = (await must(['apt-config', 'dump'])).split('\n').filter((line) => wanted.test(line));
  for (const protocol of ['http', 'https']) {
    const proxy = process.env[`${protocol}_proxy`] ?? process.env[`${protocol.toUpperCase()}_PROXY`];
    if (proxy) lines.push(`Acquire::${protocol}::Proxy "${proxy}";`);
  }
  return lines.map((line) => `${line}\n`).join('');
}

function osRelease(name: string): string {
  const text = readFileSync('/etc/os-release', 'utf8');
  return new RegExp(`^${name}="?([^"\n]*)"?$`, 'm').exec(text)?.[1] ?? '';
}

function hostCodename(): string {
  return osRelease('VERSION_CODENAME');
}

function isDebian(): boolean {
  return osRelease('ID') === 'debian';
}
