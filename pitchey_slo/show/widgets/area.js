// Lines over time, filled; with `stack` on top of each other.
import { drawn, empty } from "./line.js"
import { register } from "./register.js"

register("area", { draw: (ctx, data) => drawn(ctx, data, true), update: (ctx, data) => drawn(ctx, data, true), empty })
