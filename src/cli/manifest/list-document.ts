import type { Descriptor, Platform } from '../../oci/descriptor.ts';
import { MEDIA_TYPES } from '../../oci/manifest.ts';

/**
 * The text of a manifest list or index of images, byte for byte as docker's CLI writes it, so that both make the
 * same digest. Which of the two it is, the first image's manifest decides.
 */
export function listDocument(images: readonly Descriptor[]): { mediaType: string; text: string } {
  const isOci = images[0]?.mediaType === MEDIA_TYPES.ociManifest;
  const mediaType = isOci ? MEDIA_TYPES.ociIndex : MEDIA_TYPES.dockerList;
  const manifests = images.map(({ mediaType: type, size, digest, platform }) => ({
    mediaType: type,
    size,
    digest,
    platform: platformDocument(platform),
  }));
  return { mediaType, text: JSON.stringify({ schemaVersion: 2, mediaType, manifests }, undefined, 3) };
}

/** A platform with its members in docker's order. */
export function platformDocument(platform: Platform | undefined): Platform {
  const { architecture, os, variant }: Platform = platform ?? { architecture: '', os: '' };
  const version = platform?.['os.version'];
  const features = platform?.['os.features'];
  return {
    architecture,
    os,
    ...(version ? { 'os.version': version } : {}),
    ...(features && features.length > 0 ? { 'os.features': features } : {}),
    ...(variant ? { variant } : {}),
  };
}

/** Operating systems with the architectures a list may name: docker's, and what Go has learned since. */
const ARCHITECTURES: Readonly<Record<string, readonly string[]>> = {
  darwin: ['386', 'amd64', 'arm', 'arm64'],
  dragonfly: ['amd64'],
  freebsd: ['386', 'amd64', 'arm', 'arm64', 'riscv64'],
  linux: ['386', 'amd64', 'arm', 'arm64', 'loong64', 'mips64', 'mips64le', 'ppc64le', 'riscv64', 's390x'],
  netbsd: ['386', 'amd64', 'arm', 'arm64'],
  openbsd: ['386', 'amd64', 'arm', 'arm64'],
  plan9: ['386', 'amd64'],
  solaris: ['amd64'],
  windows: ['386', 'amd64', 'arm64'],
};

export function isKnownPlatform(os: string, architecture: string): boolean {
  return Object.hasOwn(ARCHITECTURES, os) && ARCHITECTURES[os]!.includes(architecture);
}
