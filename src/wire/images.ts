import type { Descriptor, Platform } from '../oci/descriptor.ts';
import type { ImageRunConfig } from '../oci/image-config.ts';

/** One element of `GET /images/json`. */
export interface ImageSummary {
  Id: string;
  ParentId: string;
  RepoTags: string[];
  RepoDigests: string[];
  /** Seconds since the epoch. */
  Created: number;
  Size: number;
  /** -1: not computed. */
  SharedSize: number;
  /** Only below API 1.44. */
  VirtualSize?: number;
  Labels: Record<string, string> | null;
  /** Number of containers that use it; -1: not computed. */
  Containers: number;
  /** Only when asked for, from API 1.47 on. */
  Manifests?: ManifestSummary[];
  /** From API 1.48 on, for an image that has a manifest. */
  Descriptor?: Descriptor;
}

/** One manifest of an image. */
export interface ManifestSummary {
  ID: string;
  Descriptor: Descriptor;
  /** All of its content is here. */
  Available: boolean;
  /** Bytes. */
  Size: { Content: number; Total: number };
  Kind: 'image' | 'attestation' | 'unknown';
  ImageData?: { Platform: Platform; Containers: string[]; Size: { Unpacked: number } };
  AttestationData?: { For: string };
}

/** Answer of `GET /images/{name}/json`. */
export interface ImageInspect {
  Id: string;
  RepoTags: string[];
  RepoDigests: string[];
  Parent: string;
  Comment: string;
  Created?: string;
  DockerVersion: string;
  Author: string;
  Config: ImageRunConfig | null;
  Architecture: string;
  Variant?: string;
  Os: string;
  OsVersion?: string;
  Size: number;
  /** Only below API 1.44. */
  VirtualSize?: number;
  GraphDriver: { Name: string; Data: Record<string, string> | null };
  RootFS: { Type: string; Layers?: string[] };
  Metadata: { LastTagTime: string };
  /** From API 1.48 on, for an image that has a manifest. */
  Descriptor?: Descriptor;
  /** Only when asked for, from API 1.48 on. */
  Manifests?: ManifestSummary[];
  /** Only below API 1.45. */
  Container?: string;
  /** Only below API 1.45. */
  ContainerConfig?: unknown;
}

/** One element of `GET /images/{name}/history`, newest first. */
export interface ImageHistoryItem {
  Id: string;
  /** Seconds since the epoch. */
  Created: number;
  CreatedBy: string;
  Tags: string[] | null;
  Size: number;
  Comment: string;
}

/** What `DELETE /images/{name}` did, in order. */
export type ImageDeleteItem = { Untagged: string } | { Deleted: string };

export interface ImagesPruneResponse {
  ImagesDeleted: ImageDeleteItem[] | null;
  SpaceReclaimed: number;
}

/** Answer of `POST /commit`. */
export interface CommitResponse {
  Id: string;
}

/** The JSON in the header `X-Registry-Auth`, base64url. */
export interface AuthConfig {
  username?: string;
  password?: string;
  auth?: string;
  email?: string;
  serveraddress?: string;
  identitytoken?: string;
  registrytoken?: string;
}
