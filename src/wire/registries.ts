import type { Descriptor, Platform } from '../oci/descriptor.ts';

/** Answer of `POST /auth`. */
export interface AuthResponse {
  Status: string;
  /** Stands for user and password from now on; empty when the registry gives none. */
  IdentityToken?: string;
}

/** One element of `GET /images/search`. */
export interface SearchResult {
  star_count: number;
  is_official: boolean;
  name: string;
  /** Always false: Docker Hub no longer says. */
  is_automated: boolean;
  description: string;
}

/** What `GET /distribution/{name}/json` answers. */
export interface DistributionInspect {
  Descriptor: Descriptor;
  Platforms: readonly Platform[];
}
