// The servers of the daemon: control socket, health and metrics.
import { ControlSocketError } from '../control/socket-file.ts';
import { startControlServer, type ControlServer, type ServeCni } from '../control/server.ts';
import type { HttpListener } from '../http/http-listener.ts';
import type { MetricsRenderer } from '../metrics/renderer.ts';
import { startMetricsServer } from '../metrics/server.ts';
import type { Components } from './components.ts';
import { startHealthServer } from './health.ts';
import { readinessOf } from './readiness.ts';

export class Servers {
  readonly #components: Components;
  readonly #render: MetricsRenderer;
  readonly #serveCni: ServeCni;
  #control: ControlServer | undefined;
  #health: HttpListener | undefined;
  #metrics: HttpListener | undefined;

  constructor(components: Components, render: MetricsRenderer, serveCni: ServeCni) {
    this.#components = components;
    this.#render = render;
    this.#serveCni = serveCni;
  }

  /**
   * @throws ControlSocketError if another daemon has the socket, or a required one cannot be
   * opened.
   */
  async startControl(): Promise<void> {
    const { log, options } = this.#components;
    const { path, isRequired } = options.controlSocket;
    if (path === '') return;
    try {
      this.#control = await startControlServer(path, this.#components, this.#render, this.#serveCni);
    } catch (error) {
      const isTolerable = error instanceof ControlSocketError && !error.isTaken && !isRequired;
      if (!isTolerable) throw error;
      log.warn(`${error.message}; going on without, so that "weft status" and the like cannot ask`);
    }
  }

  /** @throws HttpListenerError */
  async startHttp(): Promise<void> {
    const { log, options } = this.#components;
    const { health, metrics } = options;
    const readiness = () => readinessOf(this.#components.readiness);
    if (health.port !== 0) this.#health = await startHealthServer({ ...health, readiness });
    if (metrics.port === 0) return;
    const render = this.#render;
    this.#metrics = await startMetricsServer({ ...metrics, log, render }, this.#components);
  }

  async stopControl(): Promise<void> {
    await this.#control?.stop();
  }

  async stopHttp(): Promise<void> {
    await this.#health?.stop();
    await this.#metrics?.stop();
  }
}
