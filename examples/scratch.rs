use handstream::event::{KEYPOINTS, Side};
use handstream::fit::*;
use handstream::frame::{PictureSize, Timestamp};
use handstream::geometry::{CameraModel, CameraPoint, Pixel};
use handstream::hand::HandModel;
use handstream::metrics;
use nalgebra::{Matrix3, Vector3};
use serde_json::Value;
use std::sync::Arc;
use std::time::Instant;

type J = [Vector3<f64>; KEYPOINTS];
fn read(p: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(format!("/work/shared/{p}")).unwrap()).unwrap()
}
fn f(v: &Value) -> f64 {
    v.as_f64().unwrap()
}
fn v3(v: &Value) -> Vector3<f64> {
    Vector3::new(f(&v[0]), f(&v[1]), f(&v[2]))
}

fn config(args: &[String]) -> FitConfig {
    let mut c = FitConfig::default();
    for a in args {
        let Some((k, v)) = a.split_once('=') else { continue };
        let x: f64 = v.parse().unwrap();
        match k {
            "ks" => c.observation.keypoint_sigma = x,
            "ko" => c.observation.keypoint_outlier = x,
            "ll" => c.observation.landmark_sigma_lateral = x,
            "ld" => c.observation.landmark_sigma_depth = x,
            "lo" => c.observation.landmark_outlier = x,
            "af" => c.anatomy.flexion_sigma = x,
            "aa" => c.anatomy.abduction_sigma = x,
            "ac" => c.anatomy.coupling_sigma = x,
            "am" => c.anatomy.memory_seconds = x,
            "ml" => c.motion.lateral_acceleration = x,
            "md" => c.motion.depth_acceleration = x,
            "mr" => c.motion.rotation_acceleration = x,
            "ma" => c.motion.angle_acceleration = x,
            "mv" => c.motion.velocity_memory_seconds = x,
            "as" => c.motion.activity_seconds = x,
            "a0" => c.motion.activity_range[0] = x,
            "a1" => c.motion.activity_range[1] = x,
            "sl" => c.shape.length_sigma_mm = x,
            "si" => c.shape.independence_seconds = x,
            "sm" => c.shape.learning_seconds = x,
            "hl" => c.shape.hand_length_mm = Some(x),
            "da" => c.doubt.allowance = x,
            "dr" => c.doubt.restart_at = x,
            "lag" => c.lag_frames = x as usize,
            "lit" => c.lag_iterations = x as usize,
            "br" => c.belief.rotation_sigma = x,
            "bf" => c.belief.flexion_sigma = x,
            "ba" => c.belief.abduction_sigma = x,
            "bd" => c.belief.relative_depth_sigma = x,
            "bc" => c.belief.depth_change_sigma = x,
            "bm" => c.belief.memory_seconds = x,
            _ => panic!("{k}"),
        }
    }
    c
}

struct Out {
    joints: Vec<Option<J>>,
    keys: Vec<Option<J>>,
    rep: Vec<f32>,
    times: Vec<f64>,
}

fn run(
    model: &Arc<HandModel>,
    cam: &Arc<CameraModel>,
    obs: &[Option<HandObservation>],
    c: &FitConfig,
    fps: f64,
) -> Out {
    let mut fitter = TrackFitter::new(model.clone(), cam.clone(), Side::Right, c.clone());
    let mut o = Out { joints: vec![], keys: vec![], rep: vec![], times: vec![] };
    for (i, ob) in obs.iter().enumerate() {
        let Some(ob) = ob else {
            o.joints.push(None);
            o.keys.push(None);
            o.rep.push(-1.0);
            continue;
        };
        let s = Instant::now();
        let h = fitter.update(ob, None, Timestamp::from_seconds(i as f64 / fps));
        o.times.push(s.elapsed().as_secs_f64() * 1e3);
        o.joints.push(Some(h.joints_camera.map(|CameraPoint(j)| j.cast())));
        o.keys.push(Some(h.keypoints_camera.map(|CameraPoint(j)| j.cast())));
        o.rep.push(h.reprojection_px);
    }
    o
}

fn track(name: &str) -> Vec<Option<HandObservation>> {
    let t = read(&format!("fixtures/mediapipe/{name}.track.json"));
    t["frames"]
        .as_array()
        .unwrap()
        .iter()
        .map(|h| {
            let h = h.as_array().unwrap().first()?;
            Some(HandObservation {
                keypoints_px: std::array::from_fn(|k| {
                    Pixel::new(f(&h["px"][k][0]) as f32, f(&h["px"][k][1]) as f32)
                }),
                landmarks_m: std::array::from_fn(|k| v3(&h["world_m"][k]).cast()),
                score: f(&h["score"]) as f32,
                side: Side::Right,
            })
        })
        .collect()
}

fn stereo(name: &str, keys: &[Option<J>], truth: &[[Option<Vector3<f64>>; KEYPOINTS]]) -> String {
    let (mut es, mut ts, mut er, mut tr, mut d) = (vec![], vec![], vec![], vec![], vec![]);
    for (e, t) in keys.iter().zip(truth) {
        let Some(e) = e else { continue };
        let (a, b): (Vec<_>, Vec<_>) = e.iter().zip(t).filter_map(|(e, t)| Some((*e, (*t)?))).unzip();
        if a.len() < 12 {
            continue;
        }
        if let Some(r) = t[0] {
            d.push((e[0].z - r.z).abs() / r.z * 100.0);
            er.push(a.clone());
            tr.push(b.clone());
        }
        es.push(a);
        ts.push(b);
    }
    format!(
        "{name} PA {:5.2} RA {:5.2} GA {:5.2} FA {:5.1} ACC {:4.2} depth {:4.2}",
        metrics::pa_mpjpe(&es, &ts).unwrap(),
        metrics::ra_mpjpe(&er, &tr).unwrap(),
        metrics::ga_mpjpe(&es, &ts).unwrap(),
        metrics::fa_mpjpe(&es, &ts).unwrap(),
        acc(keys, truth),
        d.iter().sum::<f64>() / d.len() as f64
    )
}

fn acc(e: &[Option<J>], t: &[[Option<Vector3<f64>>; KEYPOINTS]]) -> f64 {
    let (mut s, mut n) = (0.0, 0);
    for i in 2..e.len() {
        for k in 0..KEYPOINTS {
            let g = |i: usize| Some((e[i]?[k], t[i][k]?));
            if let (Some(a), Some(b), Some(c)) = (g(i - 2), g(i - 1), g(i)) {
                s += ((a.0 - b.0 * 2.0 + c.0) - (a.1 - b.1 * 2.0 + c.1)).norm() * 1e3;
                n += 1;
            }
        }
    }
    s / n as f64
}

fn tensor(path: &str, name: &str) -> (Vec<usize>, Vec<f64>) {
    let bytes = std::fs::read(path).unwrap();
    let st = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let t = st.tensor(name).unwrap();
    let d = t.data();
    let v = match t.dtype() {
        safetensors::Dtype::F16 => {
            d.chunks(2).map(|c| half::f16::from_le_bytes([c[0], c[1]]).to_f64()).collect()
        }
        _ => d.chunks(4).map(|c| f32::from_le_bytes([c[0], c[1], c[2], c[3]]) as f64).collect(),
    };
    (t.shape().to_vec(), v)
}

fn holdout(model: &Arc<HandModel>, name: &str, c: &FitConfig, times: &mut Vec<f64>) {
    let p = format!("/work/wt/hand/bench/data/{name}_holdout.safetensors");
    let (sh, rays) = tensor(&p, "rays");
    let (_, lm) = tensor(&p, "landmarks");
    let (_, jo) = tensor(&p, "joints");
    let (_, hf) = tensor(&p, "half_fov");
    let (_, conf) = tensor(&p, "conf");
    let beliefs = std::env::var("BELIEF")
        .ok()
        .map(|b| format!("{b}/{name}.safetensors"))
        .filter(|b| std::path::Path::new(b).exists());
    let bel =
        beliefs.as_ref().map(|b| (tensor(b, "rotations").1, tensor(b, "wrist").1, tensor(b, "change").1));
    let (s, t) = (sh[0], sh[1]);
    let mut m = [0.0; 6];
    let focal = 900.0;
    for i in 0..s {
        let size =
            PictureSize::new((2.0 * focal * hf[i * 2]) as usize, (2.0 * focal * hf[i * 2 + 1]) as usize);
        let cam = Arc::new(CameraModel::pinhole(focal, size));
        let mut fitter = TrackFitter::new(model.clone(), cam.clone(), Side::Right, c.clone());
        let (mut es, mut ts) = (vec![], vec![]);
        for f in 0..t {
            let b = (i * t + f) * 21;
            let o = HandObservation {
                keypoints_px: std::array::from_fn(|k| {
                    Pixel::new(
                        (rays[(b + k) * 2] * focal + cam.cx) as f32,
                        (rays[(b + k) * 2 + 1] * focal + cam.cy) as f32,
                    )
                }),
                landmarks_m: std::array::from_fn(|k| {
                    turned(&rays[b * 2..(b + 21) * 2], &lm[(b + k) * 3..(b + k) * 3 + 3])
                }),
                score: (conf[b..b + 21].iter().sum::<f64>() / 21.0) as f32,
                side: Side::Right,
            };
            let belief = bel.as_ref().map(|(r, w, ch)| {
                let q = i * t + f;
                PoseBelief {
                    rotations: std::array::from_fn(|j| {
                        nalgebra::Rotation3::from_matrix_unchecked(Matrix3::from_fn(|a, d| {
                            r[((q * 16 + j) * 3 + a) * 3 + d]
                        }))
                    }),
                    wrist: Vector3::new(w[q * 3], w[q * 3 + 1], w[q * 3 + 2]),
                    depth_change: (f > 0).then_some(ch[q]),
                }
            });
            let st = Instant::now();
            let h = fitter.update(&o, belief.as_ref(), Timestamp::from_seconds(f as f64 / 30.0));
            times.push(st.elapsed().as_secs_f64() * 1e3);
            es.push(h.joints_camera.map(|CameraPoint(j)| j.cast::<f64>()));
            let tr: J = std::array::from_fn(|k| {
                Vector3::new(jo[(b + k) * 3], jo[(b + k) * 3 + 1], jo[(b + k) * 3 + 2])
            });
            ts.push(tr);
        }
        for (m, v) in m.iter_mut().zip([
            metrics::pa_mpjpe(&es, &ts),
            metrics::ra_mpjpe(&es, &ts),
            metrics::ga_mpjpe(&es, &ts),
            metrics::fa_mpjpe(&es, &ts),
            metrics::acceleration_error(&es, &ts, None),
            metrics::root_depth_error(&es, &ts),
        ]) {
            *m += v.unwrap() / s as f64;
        }
    }
    println!(
        "{name}        PA {:5.2} RA {:5.2} GA {:5.2} FA {:5.1} ACC {:4.2} depth {:.1} mm{}",
        m[0],
        m[1],
        m[2],
        m[3],
        m[4],
        m[5],
        if bel.is_some() { " belief" } else { "" }
    );
}

/// the inverse of the fit's turning: stored landmarks are already in camera axes
fn turned(rays: &[f64], l: &[f64]) -> Vector3<f32> {
    let c = (0..21)
        .fold(nalgebra::Vector2::zeros(), |s, k| s + nalgebra::Vector2::new(rays[2 * k], rays[2 * k + 1]))
        / 21.0;
    let turn = nalgebra::Rotation3::rotation_between(&Vector3::z(), &Vector3::new(c.x, c.y, 1.0)).unwrap();
    (turn.inverse() * Vector3::new(l[0], l[1], l[2])).cast()
}

/// RMS about the mean over 15-frame windows, all joints, mm: mean over windows and worst window
fn jitter(j: &[Option<J>]) -> (f64, f64) {
    let mut all = vec![];
    for w in j.windows(15) {
        let w: Vec<J> = w.iter().flatten().copied().collect();
        if w.len() < 15 {
            continue;
        }
        let mut s = 0.0;
        for k in 0..KEYPOINTS {
            let m = w.iter().map(|x| x[k]).sum::<Vector3<f64>>() / 15.0;
            s += w.iter().map(|x| (x[k] - m).norm_squared()).sum::<f64>();
        }
        all.push((s / (15.0 * 21.0)).sqrt() * 1e3);
    }
    all.sort_by(f64::total_cmp);
    (all[all.len() / 2], *all.last().unwrap())
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let c = config(&args);
    let verbose = args.iter().any(|a| a == "-v");
    let model = Arc::new(HandModel::open());
    let r = read("footage/gt/stereo_desk_reference.json");
    let t = read("footage/gt/stereo_desk_a_triangulated.json");
    let unit = f(&r["unit_cm_estimate"]["value"]) / 100.0;
    let to1 = (Matrix3::from_fn(|i, j| f(&r["cam0_to_cam1"]["R"][i][j])), v3(&r["cam0_to_cam1"]["T"]) * unit);
    let mut times = vec![];
    let mut dump = serde_json::Map::new();
    for (name, (rot, tra)) in [("cam0", (Matrix3::identity(), Vector3::zeros())), ("cam1", to1)] {
        let k = &r["cameras"][name];
        let cam = Arc::new(CameraModel {
            fx: f(&k["K"][0][0]),
            fy: f(&k["K"][1][1]),
            cx: f(&k["K"][0][2]),
            cy: f(&k["K"][1][2]),
            distortion: std::array::from_fn(|i| f(&k["dist_k1k2p1p2k3"][i])),
            size: PictureSize::new(720, 720),
            guessed: false,
        });
        let truth: Vec<[Option<Vector3<f64>>; KEYPOINTS]> = t["frames"]
            .as_array()
            .unwrap()
            .iter()
            .map(|fr| {
                std::array::from_fn(|k| {
                    if fr.is_null() || f(&fr["reproj_px"][k]) >= 6.0 {
                        return None;
                    }
                    Some(rot * v3(&fr["joints_cam0_m"][k]) + tra)
                })
            })
            .collect();
        let obs = track(&format!("stereo_desk_{name}_a"));
        let o = run(&model, &cam, &obs, &c, 30.0);
        times.extend(&o.times);
        println!("{}", stereo(&format!("{name} joints"), &o.joints, &truth));
        println!("{}", stereo(&format!("{name} keypts"), &o.keys, &truth));
        let js = |x: &[Option<J>]| {
            Value::from(
                x.iter()
                    .map(|j| {
                        j.map_or(Value::Null, |j| {
                            Value::from(
                                j.iter().map(|p| Value::from(vec![p.x, p.y, p.z])).collect::<Vec<_>>(),
                            )
                        })
                    })
                    .collect::<Vec<_>>(),
            )
        };
        dump.insert(name.into(), js(&o.keys));
        dump.insert(format!("{name}_j"), js(&o.joints));
        dump.insert(
            format!("{name}_t"),
            Value::from(
                truth
                    .iter()
                    .map(|j| {
                        Value::from(
                            j.iter()
                                .map(|p| p.map_or(Value::Null, |p| Value::from(vec![p.x, p.y, p.z])))
                                .collect::<Vec<_>>(),
                        )
                    })
                    .collect::<Vec<_>>(),
            ),
        );
    }
    {
        let cam = Arc::new(CameraModel::guess(PictureSize::new(640, 360)));
        let obs = track("static_hand_enters_outdoor");
        let o = run(&model, &cam, &obs, &c, 30.0);
        dump.insert(
            "static".into(),
            Value::from(
                o.joints
                    .iter()
                    .map(|j| {
                        j.map_or(Value::Null, |j| {
                            Value::from(
                                j.iter().map(|p| Value::from(vec![p.x, p.y, p.z])).collect::<Vec<_>>(),
                            )
                        })
                    })
                    .collect::<Vec<_>>(),
            ),
        );
        let (m, w) = jitter(&o.joints[101..]);
        let len = |j: &J| {
            (1..21).map(|k| (j[k] - j[if k % 4 == 1 { 0 } else { k - 1 }]).norm()).collect::<Vec<_>>()
        };
        let (mut worst, n) = (0.0f64, o.joints.len());
        for i in 30..n {
            for l in 30..n {
                if let (Some(a), Some(b)) = (&o.joints[i], &o.joints[l]) {
                    for (x, y) in len(a).iter().zip(len(b)) {
                        worst = worst.max((x / y - 1.0).abs());
                    }
                }
            }
        }
        println!("static jitter median {m:.2} worst {w:.2}; bones worst change {:.2} %", worst * 100.0);
    }
    {
        let cam = Arc::new(CameraModel::guess(PictureSize::new(1280, 720)));
        let obs = track("webcam_one_hand_office");
        let o = run(&model, &cam, &obs, &c, 30.0);
        times.extend(&o.times);
        let z: Vec<f64> = o.joints.iter().map(|j| j.map_or(f64::NAN, |j| j[0].z * 1e3)).collect();
        let sw = &z[550..572];
        if verbose {
            println!("{:?}", sw.iter().map(|x| x.round()).collect::<Vec<_>>());
        }
        let mx =
            |a: &[f64]| a.iter().fold(f64::MIN, |a, b| a.max(*b)) - a.iter().fold(f64::MAX, |a, b| a.min(*b));
        let len = |j: &J| {
            (1..21).map(|k| (j[k] - j[if k % 4 == 1 { 0 } else { k - 1 }]).norm()).collect::<Vec<_>>()
        };
        let (mut worst, n) = (0.0f64, o.joints.len());
        for i in 30..n {
            for l in 30..n {
                if let (Some(a), Some(b)) = (&o.joints[i], &o.joints[l]) {
                    for (x, y) in len(a).iter().zip(len(b)) {
                        worst = worst.max((x / y - 1.0).abs());
                    }
                }
            }
        }
        let rep: Vec<f32> = o.rep.iter().copied().filter(|r| *r >= 0.0).collect();
        println!(
            "office depth range {:.0} mm in 556-565; all {:.0}; mean rep {:.1}; bones worst {:.2} %",
            mx(&z[555..566]),
            mx(&z[30..]),
            rep.iter().sum::<f32>() / rep.len() as f32,
            worst * 100.0
        );
    }
    if !args.iter().any(|a| a == "-r") {
        for n in ["lite", "leap"] {
            holdout(&model, n, &c, &mut times);
        }
    }
    times.sort_by(f64::total_cmp);
    println!(
        "ms p50 {:.2} p90 {:.2} p99 {:.2} max {:.2}",
        times[times.len() / 2],
        times[times.len() * 9 / 10],
        times[times.len() * 99 / 100],
        times.last().unwrap()
    );
    if verbose {
        std::fs::write("/tmp/w/fit_dump.json", serde_json::to_string(&dump).unwrap()).unwrap();
    }
}
