// `POST /v1/drain`: whether this host takes new containers.

/** `drained`: no subnet.env; `released`: no lease either. */
export type DrainStateV1 = 'none' | 'drained' | 'released';

/** Body and answer of `POST /v1/drain`. */
export interface DrainV1 {
  readonly state: DrainStateV1;
}
