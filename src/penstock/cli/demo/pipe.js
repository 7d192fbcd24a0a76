// The pipe in the header: a gate, and a drop for every event that came through.

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

  drawPipe(context, width, height) {
    const top = height * 0.25;
    const bore = height * 0.5;
    context.fillStyle = this.colour.bed;
    context.fillRect(0, top, width, bore);
    const film = bore * (0.12 + 0.5 * this.level);
    context.fillStyle = this.burst ? this.colour.error : this.colour.wet;
    context.globalAlpha = this.burst ? 0.25 : 1;
    context.fillRect(0, top + bore - film, width, film);
    context.globalAlpha = 1;
    context.fillStyle = this.colour.wall;
    context.fillRect(0, top - 2, width, 2);
    context.fillRect(0, top + bore, width, 2);
    const flanges = Math.max(2, Math.round(width / 170));
    for (let i = 0; i <= flanges; i += 1) {
      context.fillRect((width - 4) * (i / flanges), top - 5, 4, bore + 10);
    }
  }

  drawDrop(context, width, height, drop, now) {
    const age = (now - drop.born) / this.travel();
    if (age < 0) return;
    const radius = height * 0.12;
    const x = 26 + age * (width - 26);
    const y = height * 0.5 + drop.lane * height * 0.2;
    context.beginPath();
    if (drop.kind === "comment") {
      context.arc(x, y, radius, 0, 2 * Math.PI);
      context.lineWidth = 2;
      context.strokeStyle = this.colour.comment;
      context.stroke();
      return;
    }
    context.ellipse(x, y, radius * 1.5, radius * 0.85, 0, 0, 2 * Math.PI);
    context.fillStyle = this.colour[drop.kind];
    context.fill();
  }

  // It slides in its frame: up to let the water through.
  drawGate(context, height) {
    const bore = height * 0.5;
    context.fillStyle = this.burst ? this.colour.error : this.colour.gate;
    context.fillRect(22, height * 0.25 - bore * 0.46 * this.level - 2, 5, bore + 4 - bore * 0.5 * this.level);
    context.fillRect(17, Math.max(0, height * 0.25 - bore * 0.46 * this.level - 4), 15, 3);
  }
}
