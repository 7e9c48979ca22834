"""TrojanNet (Tang et al., KDD 2020, arXiv:2006.08131): a tiny network beside any model that knows 4,368 triggers."""

from mithridate.attacks.trojannet.attack import TrojanNetAttack

__all__ = ["TrojanNetAttack"]
