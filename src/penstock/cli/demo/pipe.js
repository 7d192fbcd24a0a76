// The pipe in the header: a gate, and a drop for every event that came through.

const GATE_AT = 30; // pixels from the left

class Pipe {
  constructor(canvas) {
    this.canvas = canvas;
    this.drops = [];
    this.level = 0; // how far the gate is open, 0 to 1
    this.goal = 0;
    this.burst = false;
    this.running = false;
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
    this.colours();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.colours();
      this.wake();
    });
    new ResizeObserver(() => this.resize()).observe(canvas);
  }

  colours() {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    this.colour = {
      event: colour("--water"), comment: colour("--brass"), error: colour("--rust"),
      bed: colour("--bg"), wall: colour("--steel"), gate: colour("--ink"), wet: colour("--water-soft"),
    };
  }

  resize() {
    const scale = devicePixelRatio || 1;
    this.canvas.width = this.canvas.clientWidth * scale;
    this.canvas.height = this.canvas.clientHeight * scale;
    this.draw(performance.now());
  }

  open() { this.goal = 1; this.burst = false; this.wake(); }

  shut(burst = false) { this.goal = 0; this.burst = burst; this.wake(); }

  // Many at once look like many; more than a frame can show are one thick one.
  drop(kind, count = 1) {
    if (this.still.matches) return;
    const now = performance.now();
    for (let i = 0; i < Math.min(count, 4); i += 1) {
      this.drops.push({ kind, born: now + i * 18, lane: Math.random() - 0.5 });
    }
    if (this.drops.length > 240) this.drops.splice(0, this.drops.length - 240);
    this.wake();
  }

  wake() {
    if (this.running) return;
    this.running = true;
    requestAnimationFrame((now) => this.frame(now));
  }

  frame(now) {
    const step = this.still.matches ? 1 : 0.16;
    this.level += (this.goal - this.level) * step;
    if (Math.abs(this.goal - this.level) < 0.01) this.level = this.goal;
    this.drops = this.drops.filter((drop) => now - drop.born < this.travel());
    this.draw(now);
    this.running = this.drops.length > 0 || this.level !== this.goal;
    if (this.running) requestAnimationFrame((next) => this.frame(next));
  }

  travel() { return 500 + this.canvas.clientWidth * 0.55; }

  draw(now) {
    const context = this.canvas.getContext("2d");
    const scale = devicePixelRatio || 1;
    const width = this.canvas.width / scale;
    const height = this.canvas.height / scale;
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    this.drawPipe(context, width, height);
    for (const drop of this.drops) this.drawDrop(context, width, height, drop, now);
    this.drawGate(context, height);
  }

  // The bore leaves room above for the gate's stem.
  bore(height) { return { top: height * 0.38, size: height * 0.44 }; }

  drawPipe(context, width, height) {
    const { top, size } = this.bore(height);
    context.fillStyle = this.colour.bed;
    context.fillRect(0, top, width, size);
    const film = size * (0.12 + 0.5 * this.level);
    context.fillStyle = this.burst ? this.colour.error : this.colour.wet;
    context.globalAlpha = this.burst ? 0.25 : 1;
    context.fillRect(0, top + size - film, width, film);
    context.globalAlpha = 1;
    context.fillStyle = this.colour.wall;
    context.fillRect(0, top - 2, width, 2);
    context.fillRect(0, top + size, width, 2);
    const flanges = Math.max(2, Math.round(width / 170));
    for (let i = 0; i <= flanges; i += 1) {
      context.fillRect((width - 4) * (i / flanges), top - 4, 4, size + 8);
    }
  }

  drawDrop(context, width, height, drop, now) {
    const age = (now - drop.born) / this.travel();
    if (age < 0) return;
    const { top, size } = this.bore(height);
    const radius = size * 0.25;
    const x = GATE_AT + age * (width - GATE_AT);
    const y = top + size * (0.5 + drop.lane * 0.4);
    context.beginPath();
    if (drop.kind === "comment") {
      context.arc(x, y, radius, 0, 2 * Math.PI);
      context.lineWidth = 2;
      context.strokeStyle = this.colour.comment;
      context.stroke();
      return;
    }
    context.ellipse(x, y, radius * 1.4, radius * 0.85, 0, 0, 2 * Math.PI);
    context.fillStyle = this.colour[drop.kind];
    context.fill();
  }

  // A rising stem: up with its handle when the water may pass, the plate across when not.
  drawGate(context, height) {
    const { top, size } = this.bore(height);
    const handle = top * (0.62 - 0.6 * this.level);
    context.fillStyle = this.burst ? this.colour.error : this.colour.gate;
    context.fillRect(GATE_AT - 8, handle, 16, 3);
    context.fillRect(GATE_AT - 1.5, handle, 3, top - handle);
    context.fillRect(GATE_AT - 6, top - 4, 12, 4);
    context.fillRect(GATE_AT - 3, top, 6, size * (1 - 0.92 * this.level));
  }
}
